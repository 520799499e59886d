// The docker client of Debian's package as a child process.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type OnTerminal, onTerminal } from "../client/terminal.ts";

export const dockerPath = "/usr/bin/docker";

export interface Ended {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout has had this text; rejects when it ends without. */
  said(text: string): Promise<void>;
}

export interface DockerCli {
  /** Runs to the end, with nothing on stdin. */
  (...args: string[]): Promise<Ended>;
  /** Runs to the end, which must be a good one: its stdout, trimmed. */
  ok(...args: string[]): Promise<string>;
  start(...args: string[]): Started;
  terminal(...args: string[]): OnTerminal;
  /** SHA-256 of what it writes, for outputs too large to keep. */
  digests(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** A run that takes longer is killed, and fails its test. */
const PATIENCE = 60_000;

/** `config` is where the client looks for its own settings. */
export function dockerCliAt(host: string, config: string): DockerCli {
  const env = { ...process.env, DOCKER_HOST: host, DOCKER_CONFIG: config };
  const launch = (args: readonly string[]) =>
    spawn(dockerPath, args, { env, stdio: ["pipe", "pipe", "pipe"], timeout: PATIENCE, killSignal: "SIGKILL" });

  const start = (...args: string[]): Started => {
    const child = launch(args);
    child.stdin.on("error", () => {}); // it may end before it has read everything
    let stdout = "";
    let stderr = "";
    let done = false;
    let wake: () => void = () => {};
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      wake();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const ended = once(child, "close").then(([code]) => {
      done = true;
      wake();
      return { code: code as number | null, stdout, stderr };
    });
    const said = async (text: string) => {
      while (!stdout.includes(text)) {
        if (done) throw new Error(`docker ${args.join(" ")} never said ${JSON.stringify(text)}: ${stdout}${stderr}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    return { child, ended, said };
  };
  const docker = (...args: string[]): Promise<Ended> => {
    const { child, ended } = start(...args);
    child.stdin?.end();
    return ended;
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await docker(...args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout.trim();
  };
  const digests = async (...args: string[]) => {
    const child = launch(args);
    child.stdin.end();
    const stdout = createHash("sha256");
    const stderr = createHash("sha256");
    child.stdout.on("data", (bytes: Buffer) => stdout.update(bytes));
    child.stderr.on("data", (bytes: Buffer) => stderr.update(bytes));
    const [code] = await once(child, "close");
    return { code: code as number | null, stdout: stdout.digest("hex"), stderr: stderr.digest("hex") };
  };
  return Object.assign(docker, {
    ok,
    start,
    terminal: (...args: string[]) => onTerminal(dockerPath, args, env),
    digests,
  });
}
