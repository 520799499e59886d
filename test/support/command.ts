// A client under test as a child process.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";

export interface Ended {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout has had this text; rejects when it ends without. */
  said(text: string): Promise<void>;
  /** The same of stderr. */
  complained(text: string): Promise<void>;
}

export interface Command {
  /** Runs to the end, with nothing on stdin. */
  (...args: string[]): Promise<Ended>;
  start(...args: string[]): Started;
}

export interface CommandOptions {
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  /** Of stdout: latin1 keeps bytes that are no text. Default: utf8. */
  readonly encoding?: BufferEncoding;
}

/** A run that takes longer is killed, and fails its test. */
const PATIENCE_MS = 60_000;

export function launch({ program, env }: CommandOptions, args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(program, args, { env, stdio: "pipe", timeout: PATIENCE_MS, killSignal: "SIGKILL" });
  child.stdin.on("error", () => {}); // it may end before it has read everything
  return child;
}

export function commandOf(options: CommandOptions): Command {
  const start = (...args: string[]): Started => {
    const child = launch(options, args);
    let stdout = "";
    let stderr = "";
    let done = false;
    let wake: () => void = () => {};
    child.stdout.setEncoding(options.encoding ?? "utf8").on("data", (text: string) => {
      stdout += text;
      wake();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      wake();
    });
    const ended = once(child, "close").then(([code]) => {
      done = true;
      wake();
      return { code: code as number | null, stdout, stderr };
    });
    const waitFor = async (text: string, output: () => string) => {
      while (!output().includes(text)) {
        if (done) {
          const command = [basename(options.program), ...args].join(" ");
          throw new Error(`${command} never said ${JSON.stringify(text)}: ${stdout}${stderr}`);
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    const said = (text: string) => waitFor(text, () => stdout);
    const complained = (text: string) => waitFor(text, () => stderr);
    return { child, ended, said, complained };
  };
  const run = (...args: string[]): Promise<Ended> => {
    const { child, ended } = start(...args);
    child.stdin.end();
    return ended;
  };
  return Object.assign(run, { start });
}
