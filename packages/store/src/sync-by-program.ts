import { run } from "./run.ts";

/** syncfs(2) by sync(1), which Node has no call for. */
export async function syncByProgram(path: string): Promise<void> {
  await run("sync", ["-f", path], path, `writing ${path} to the disk`);
}
