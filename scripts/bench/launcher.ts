// The side of Node of launch-timer.ts: what a command takes without what Node's own fork takes.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { buildProgram } from "../../packages/host/build.ts";

export interface Launch {
  /** argv[0] is looked up on PATH. */
  readonly argv: readonly string[];
  /** NAME=VALUE; absent: the launcher's own. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  /** It is a shim's `start`: to be connected to and asked something. */
  readonly shim?: boolean;
}

export interface Launched {
  /** From vfork until its output was at its end, it was reaped, and, if a shim, connected to. */
  readonly ms: number;
  /** Until a shim's first answer. */
  readonly answeredMs: number | null;
  readonly status: number;
  /** Its stdout. */
  readonly output: string;
}

export interface Launcher extends AsyncDisposable {
  /** Rejects where it cannot be run; one at a time. */
  launch(command: Launch): Promise<Launched>;
  /** Milliseconds of a command that must end well. */
  time(...argv: string[]): Promise<number>;
}

export const buildLauncher = (folder: string): Promise<string> =>
  buildProgram({
    entry: join(import.meta.dirname, "launch-timer.ts"),
    name: "launch-timer",
    outDir: folder,
    variant: "release",
  });

/** `within` is what starts it, such as `nsenter …`. */
export function startLauncher(program: string, within: readonly string[] = []): Launcher {
  const [command = program, ...args] = [...within, program];
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((done) => child.once("close", () => done()).once("error", () => done()));
  child.stdin.on("error", () => {}); // it has ended, which the missing reply tells
  const launch = async (request: Launch): Promise<Launched> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${program} has ended early`);
    const reply = JSON.parse(value) as Launched | { error: string };
    if ("error" in reply) throw new Error(`${request.argv.join(" ")}: ${reply.error}`);
    return reply;
  };
  return {
    launch,
    async time(...argv) {
      const { ms, status } = await launch({ argv });
      if (status !== 0) throw new Error(`${argv.join(" ")}: exit ${status}`);
      return ms;
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
