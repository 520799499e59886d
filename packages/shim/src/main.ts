// containerd-shim-berth-v2: keeps one container, or the containers of one group.
//
// What a shim needs while its containers simply run is imported here; all else is a unit (an `import()`), which is there
// from its use until the shim has been idle for a moment.
import { collectGarbage } from "@berth/host";
import { serve } from "./server.ts";

// Made by units, and outlasts them.
export { untilAborted } from "./abort.ts";
export { bundleAt } from "./bundle/bundle.ts";
export { followOom } from "./cgroup/oom.ts";
export { quietWriter } from "./quiet-writer.ts";
export { newContainer } from "./state/container.ts";
export { followExit } from "./state/exits.ts";
export { createProcess } from "./state/process.ts";
export { createLogger } from "./stdio/logger.ts";

async function main(): Promise<void> {
  const { runCommand } = await import("./commands/command.ts");
  const config = await runCommand();
  if (config === null) return;
  // What it took to come here goes first: what now lasts would lie scattered among it, a little in each page.
  collectGarbage();
  serve(config);
}

queueMicrotask(() => void main()); // units are there once this part has been evaluated
