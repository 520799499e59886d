import type { Container } from "../state/container.ts";
import type { Keeper } from "../state/keeper.ts";
import type { Process } from "../state/process.ts";
import type { Stdio } from "./stdio.ts";

/** Opens what a process was asked to have as stdio. */
export async function openStdio(keeper: Keeper, container: Container, process: Process): Promise<Stdio> {
  const request = {
    container: container.id,
    namespace: keeper.namespace,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    terminal: process.terminal,
    uid: container.ioUid,
    gid: container.ioGid,
    log: keeper.log.with({ container: container.id, exec: process.execId }),
  };
  if (process.terminal) return (await import("./terminal-stdio.ts")).openTerminalStdio(request, keeper.runDirectory);
  return (await import("./piped-stdio.ts")).openPipedStdio(request);
}
