// The real client as a child process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildProgram } from "../../packages/host/build.ts";

const top = resolve(import.meta.dirname, "../..");

/** Path of `berth`: the built one, or one built now where there is none. BERTH_BIN names another. */
export async function berthProgram(): Promise<string> {
  if (process.env.BERTH_BIN !== undefined) return process.env.BERTH_BIN;
  const built = join(top, "dist/bin/berth");
  if (existsSync(built)) return built;
  const entry = join(top, "packages/client/src/main.ts");
  return await buildProgram({
    entry,
    name: "berth",
    outDir: mkdtempSync("/tmp/berth-client-bin."),
    variant: "release",
  });
}

/** Runtimes and cgroups know a container by namespace and id, whichever supervisor it belongs to. */
export const testNamespace: string = `client-test-${process.pid}`;

export interface Ended {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout has this text in it. */
  said(text: string): Promise<void>;
}

export interface Berth {
  /** Runs to the end. */
  (...args: string[]): Promise<Ended>;
  start(...args: string[]): Started;
}

/** The client for the supervisor at an address. A run that takes more than a minute is killed and fails its test. */
export async function berthAt(address: string, namespace = testNamespace): Promise<Berth> {
  const program = await berthProgram();
  const start = (...args: string[]): Started => {
    const child = spawn(program, args, {
      env: { ...process.env, BERTH_ADDRESS: address, BERTH_NAMESPACE: namespace },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    const { stdin, stdout, stderr } = child;
    stdin.on("error", () => {}); // it may end before it has read everything
    let out = "";
    let err = "";
    let wake: () => void = () => {};
    stdout.setEncoding("latin1").on("data", (text: string) => {
      out += text;
      wake();
    });
    stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    const ended = once(child, "close").then(([code]) => {
      wake();
      return { code: code as number | null, stdout: out, stderr: err };
    });
    return {
      child,
      ended,
      async said(text) {
        while (!out.includes(text)) {
          if (child.exitCode !== null || child.signalCode !== null)
            throw new Error(`berth ${args.join(" ")} ended without ${JSON.stringify(text)}: ${out}${err}`);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
    };
  };
  const run = (...args: string[]): Promise<Ended> => {
    const { child, ended } = start(...args);
    child.stdin?.end();
    return ended;
  };
  return Object.assign(run, { start });
}
