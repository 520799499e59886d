// A program that reads a container's output itself (`binary://`): descriptors 3 and 4 are stdout and stderr, and
// it closes 5, or writes to it, when it is ready.
import { BerthError } from "@berth/base";
import { type Child, type Fd, kill, pipe, read, spawn, watch } from "@berth/host";
import type { Logger } from "./stdio-target.ts";
import { within } from "./within.ts";

const READY_MS = 10_000;
/** A logger that closes its descriptor by dying has not got ready: so long its exit is waited for. */
const DYING_MS = 20;
const SIGTERM = 15;
const SIGKILL = 9;
/** How long a logger may take to end by itself once it has everything, and then after SIGTERM. */
const GRACE_MS = 1000;
const TERM_MS = 12_000;

export interface LoggerProcess {
  readonly name: string;
  /** Its status, once it has ended. */
  readonly ended: Promise<number>;
  /** Whether it, or something that it has started in its process group, may still read. */
  isThere(): boolean;
  /** Has it end: by itself, now that its input has ended, else by signals. */
  close(): Promise<void>;
}

/** Resolves when the logger is ready. `stdout` and `stderr` are the read ends, which it inherits. */
export async function startLogger(
  logger: Logger,
  stdout: Fd,
  stderr: Fd,
  container: string,
  namespace: string,
): Promise<LoggerProcess> {
  const name = logger.argv[0] ?? "";
  const ready = pipe();
  let child: Child;
  try {
    child = spawn({
      argv: logger.argv,
      // Only what it needs: a logger is not the container's, and knows nothing of the daemon.
      env: [`CONTAINER_ID=${container}`, `CONTAINER_NAMESPACE=${namespace}`],
      extraFds: [stdout, stderr, ready.write],
      setpgid: true,
    });
  } catch (error) {
    ready.read.close();
    throw error;
  } finally {
    ready.write.close();
  }
  const ended = child.exited.then(({ status }) => status);
  try {
    const problem = await untilReady(ready.read, ended, logger.mustSay);
    if (problem !== "") throw new BerthError("unknown", `logging binary ${JSON.stringify(name)} ${problem}: unknown`);
  } catch (error) {
    child.kill(SIGKILL);
    throw error;
  } finally {
    ready.read.close();
  }
  return { name, ended, isThere: () => groupExists(child.pid), close: () => endLogger(child) };
}

/** Resolves with what is wrong with it; empty: nothing. */
async function untilReady(fd: Fd, ended: Promise<number>, mustSay: boolean): Promise<string> {
  let tell: (said: boolean) => void = () => {};
  const first = new Promise<boolean>((resolve) => {
    tell = resolve;
  });
  using _ = watch(fd, { readable: true }, () => {
    const bytes = read(fd, 1);
    if (bytes !== null) tell(bytes.length > 0);
  });
  const said = await within(READY_MS, first);
  if (said === null) return `was not ready within ${READY_MS / 1000} s`;
  if (said) return "";
  const status = await within(DYING_MS, ended);
  if (status !== null && (status !== 0 || mustSay)) return `ended with status ${status} before it was ready`;
  return mustSay ? "closed its descriptor 5 without writing a byte to it" : "";
}

function groupExists(leader: number): boolean {
  try {
    kill(-leader, 0);
    return true;
  } catch {
    return false; // ESRCH: signal 0 has no other failure for root
  }
}

async function endLogger(child: Child): Promise<void> {
  if ((await within(GRACE_MS, child.exited)) !== null) return;
  child.kill(SIGTERM);
  if ((await within(TERM_MS, child.exited)) !== null) return;
  child.kill(SIGKILL);
  await child.exited;
}
