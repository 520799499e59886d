// A shim server without a container, for measuring: `start` in a temporary bundle, killed by pid at the end.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Launch, Launched } from "./bench/launcher.ts";
import { processesOf } from "./bench/memory.ts";

export interface IdleShim extends AsyncDisposable {
  readonly pid: number;
  readonly address: string;
}

export interface IdleShimOptions {
  readonly socketDir?: string;
  /** Runs `start`. Default: by Node. */
  readonly launch?: (command: Launch) => Promise<Pick<Launched, "status" | "output">>;
}

let count = 0;

/** It may have ended, and been reaped, since it was found. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export async function idleShim(path: string, { socketDir, launch = byNode }: IdleShimOptions = {}): Promise<IdleShim> {
  const folder = mkdtempSync(join(tmpdir(), "berth-idle-"));
  const id = `idle${process.pid}x${count++}`;
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ ociVersion: "1.0.2", process: { args: ["true"], cwd: "/" }, root: { path: "rootfs" } }),
  );
  // The daemon's end of the log, which the Go shim insists on.
  execFileSync("mkfifo", [join(folder, "log")]);
  const log = openSync(join(folder, "log"), constants.O_RDWR | constants.O_NONBLOCK);
  let address = "";
  const end = () => {
    for (const pid of processesOf(path, id)) killIfThere(pid);
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
    if (address.startsWith("unix://")) rmSync(address.slice("unix://".length), { force: true });
  };
  try {
    const flags = ["-namespace", "idle", "-address", join(folder, "no.sock"), "-publish-binary", "/bin/false"];
    const { status, output } = await launch({
      argv: [path, ...flags, "-id", id, "-bundle", folder, "start"],
      cwd: folder,
      env: Object.entries({
        ...process.env,
        TTRPC_ADDRESS: join(folder, "no.sock.ttrpc"),
        GOMAXPROCS: "2",
        BERTH_SHIM_SOCKET_DIR: socketDir ?? join(folder, "s"),
      }).map(([name, value]) => `${name}=${value}`),
      shim: true,
    });
    address = output.trim();
    const [pid] = processesOf(path, id);
    if (status !== 0 || pid === undefined) throw new Error(`${path} start: exit ${status}: ${address}`);
    return {
      pid,
      address,
      async [Symbol.asyncDispose]() {
        end();
      },
    };
  } catch (error) {
    end();
    throw error;
  }
}

async function byNode({ argv, env = [], cwd }: Launch): Promise<Pick<Launched, "status" | "output">> {
  const [command = "", ...args] = argv;
  const variables = Object.fromEntries(env.map((text) => [text.split("=", 1)[0], text.slice(text.indexOf("=") + 1)]));
  const result = spawnSync(command, args, { cwd, env: variables, stdio: ["ignore", "pipe", "inherit"] });
  return { status: result.status ?? 1, output: `${result.stdout}` };
}
