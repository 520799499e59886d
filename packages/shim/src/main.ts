// containerd-shim-berth-v2: keeps one container, or the containers of one group.
//
// What a shim needs while its containers simply run is imported here; all else is a unit (an `import()`), which is there
// from its use until the shim has been idle for a moment.
import { serve } from "./server.ts";

// Used by units, and by what is always there besides.
export { followExit } from "./exits.ts";

async function main(): Promise<void> {
  const { runCommand } = await import("./command.ts");
  await runCommand(serve);
}

void main();
