// A user of the client with a home, a supervisor and credential helpers of their own.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Command, commandOf, type Ended } from "../support/command.ts";
import { berthProgram } from "./berth.ts";
import { FakeSupervisor } from "./fake-supervisor.ts";

export class User implements Disposable {
  readonly home: string = mkdtempSync("/tmp/berth-user.");
  readonly supervisor: FakeSupervisor = new FakeSupervisor();
  /** docker's file. */
  readonly config: string = join(this.home, ".docker/config.json");
  readonly #bin: string = join(this.home, "bin");
  readonly env: Record<string, string> = {
    HOME: this.home,
    PATH: `${this.#bin}:${process.env.PATH}`,
    XDG_RUNTIME_DIR: join(this.home, "run"),
    BERTH_ADDRESS: this.supervisor.address,
  };

  /** Writes a file below the home. */
  write(name: string, content: string, mode = 0o600): string {
    const path = join(this.home, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  /** docker's file, as it is now. */
  get configNow(): { readonly auths?: Record<string, unknown> } {
    return JSON.parse(readFileSync(this.config, "utf8"));
  }

  configure(content: unknown): void {
    this.write(".docker/config.json", JSON.stringify(content));
  }

  /** Puts a program `docker-credential-NAME` on PATH. */
  helper(name: string, script: string, mode = 0o755): void {
    this.write(`bin/docker-credential-${name}`, script.startsWith("#!") ? script : `#!/bin/sh\n${script}\n`, mode);
  }

  /** One that works, with a file for each server. */
  workingHelper(name: string): void {
    const store = join(this.home, `saved-by-${name}`);
    mkdirSync(store);
    this.helper(
      name,
      `input=$(cat)
server=$input
[ "$1" = store ] && server=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/')
file=${store}/$(printf %s "$server" | tr / _)
missing() { echo credentials not found in native keychain; exit 1; }
case $1 in
store) printf %s "$input" >"$file" ;;
get) cat "$file" 2>/dev/null || missing ;;
erase) rm "$file" 2>/dev/null || missing ;;
esac`,
    );
  }

  /** The client, with more variables. */
  async berth(env: Record<string, string> = {}): Promise<Command> {
    return commandOf({ program: await berthProgram(), env: { ...this.env, ...env } });
  }

  /** `berth login ARGUMENTS` with the password on stdin. */
  async logIn(
    password: string | Uint8Array,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Ended> {
    const { child, ended } = (await this.berth(env)).start("login", "--password-stdin", ...args);
    child.stdin.end(password);
    return await ended;
  }

  [Symbol.dispose](): void {
    this.supervisor[Symbol.dispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}
