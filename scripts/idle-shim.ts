// A shim server without a container, for measuring: `start` in a temporary bundle, killed by pid at the end.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesOf } from "./bench/memory.ts";

export interface IdleShim extends AsyncDisposable {
  readonly pid: number;
  readonly address: string;
  /** How long `start` took, in milliseconds: from spawn until it had printed its address and exited. */
  readonly startMs: number;
}

let count = 0;

export async function idleShim(path: string, socketDir?: string): Promise<IdleShim> {
  const folder = mkdtempSync(join(tmpdir(), "berth-idle-"));
  const id = `idle${process.pid}x${count++}`;
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ ociVersion: "1.0.2", process: { args: ["true"], cwd: "/" }, root: { path: "rootfs" } }),
  );
  // The daemon's end of the log, which the Go shim insists on.
  execFileSync("mkfifo", [join(folder, "log")]);
  const log = openSync(join(folder, "log"), constants.O_RDWR | constants.O_NONBLOCK);
  const started = performance.now();
  const args = ["-namespace", "idle", "-address", join(folder, "no.sock"), "-publish-binary", "/bin/false", "-id", id];
  const result = spawnSync(path, [...args, "-bundle", folder, "start"], {
    cwd: folder,
    env: {
      ...process.env,
      TTRPC_ADDRESS: join(folder, "no.sock.ttrpc"),
      GOMAXPROCS: "2",
      BERTH_SHIM_SOCKET_DIR: socketDir ?? join(folder, "s"),
    },
    input: "",
  });
  const startMs = performance.now() - started;
  const address = result.stdout.toString().trim();
  const [pid] = processesOf(path, id);
  if (result.status !== 0 || pid === undefined) {
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`${path} start: exit ${result.status}: ${address} ${result.stderr}`);
  }
  return {
    pid,
    address,
    startMs,
    async [Symbol.asyncDispose]() {
      process.kill(pid, "SIGKILL");
      closeSync(log);
      rmSync(folder, { recursive: true, force: true });
      if (address.startsWith("unix://")) rmSync(address.slice("unix://".length), { force: true });
    },
  };
}
