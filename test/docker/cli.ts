// The docker client of Debian's package as a child process.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type OnTerminal, onTerminal } from "../client/terminal.ts";
import { type Command, commandOf, launch } from "../support/command.ts";

export const dockerPath = "/usr/bin/docker";

export interface DockerCli extends Command {
  /** Runs to the end, which must be a good one: its stdout, trimmed. */
  ok(...args: string[]): Promise<string>;
  terminal(...args: string[]): OnTerminal;
  /** SHA-256 of what it writes, for outputs too large to keep. */
  digests(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** `config` is where the client looks for its own settings. */
export function dockerCliAt(host: string, config: string): DockerCli {
  const options = { program: dockerPath, env: { ...process.env, DOCKER_HOST: host, DOCKER_CONFIG: config } };
  const docker = commandOf(options);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await docker(...args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout.trim();
  };
  const digests = async (...args: string[]) => {
    const child = launch(options, args);
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
    terminal: (...args: string[]) => onTerminal(dockerPath, args, options.env),
    digests,
  });
}
