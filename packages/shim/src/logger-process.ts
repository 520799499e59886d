// A program that reads a container's output itself (`binary://`): descriptors 3 and 4 are stdout and stderr, and
// it closes 5, or writes to it, when it is ready.
import { BerthError } from "@berth/base";
import { type Child, environ, type Fd, pipe, read, spawn, watch } from "@berth/host";

const READY_MS = 10_000;
/** How long a logger may take to end by itself once it has everything, and then after SIGTERM. */
const GRACE_MS = 1000;
const TERM_MS = 12_000;

export interface LoggerProcess {
  close(): Promise<void>;
}

/** Resolves when the logger is ready. `stdout` and `stderr` are the read ends, which it inherits. */
export async function startLogger(
  argv: readonly string[],
  stdout: Fd,
  stderr: Fd,
  container: string,
  namespace: string,
): Promise<LoggerProcess> {
  const ready = pipe();
  let child: Child;
  try {
    // Only what it needs: a logger is not the container's, and knows nothing of the daemon.
    const path = environ().filter((variable) => variable.startsWith("PATH="));
    child = spawn({
      argv,
      env: [`CONTAINER_ID=${container}`, `CONTAINER_NAMESPACE=${namespace}`, ...path],
      extraFds: [stdout, stderr, ready.write],
    });
  } catch (error) {
    ready.read.close();
    throw error;
  } finally {
    ready.write.close();
  }
  try {
    await untilReady(ready.read, child, argv[0] ?? "");
  } catch (error) {
    child.kill(9);
    throw error;
  } finally {
    ready.read.close();
  }
  return { close: () => endLogger(child) };
}

function untilReady(fd: Fd, child: Child, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      stop();
      reject(new BerthError("unknown", `logging binary ${JSON.stringify(name)} ${why}: unknown`));
    };
    const timer = setTimeout(() => fail(`was not ready within ${READY_MS / 1000} s`), READY_MS);
    const readiness = watch(fd, { readable: true }, () => {
      if (read(fd, 1) === null) return;
      stop();
      resolve();
    });
    let waiting = true;
    function stop() {
      waiting = false;
      clearTimeout(timer);
      readiness.close();
    }
    void child.exited.then(({ status }) => {
      if (waiting && status !== 0) fail(`ended with status ${status} before it was ready`);
    });
  });
}

async function endLogger(child: Child): Promise<void> {
  const within = async (ms: number): Promise<boolean> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const ended = await Promise.race([child.exited.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  };
  if (await within(GRACE_MS)) return;
  child.kill(15);
  if (await within(TERM_MS)) return;
  child.kill(9);
  await child.exited;
}
