// containerd of another Debian release, in a chroot with mounts of its own, and with this build's programs in it.
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { removeCgroups } from "../docker/cgroups.ts";
import { shimBinary } from "../shim/harness.ts";
import { daemonOf, removeLeftovers } from "../support/daemon.ts";

const run = promisify(execFile);
const top = resolve(import.meta.dirname, "../..");

export type Release = "trixie" | "sid";

/** Why these tests are left out; false where they run. They make whole Debian systems, once a machine. */
export const leftOut = process.env.BERTH_LONG
  ? process.getuid?.() === 0
    ? false
    : "needs root"
  : "only with BERTH_LONG";

/** The directory of a release's files; makes it where it is not there. Nothing may be written there. */
export const rootOf = (release: Release, packages: readonly string[] = []): string =>
  execFileSync(join(top, "scripts/debian-root"), [release, ...packages], { encoding: "utf8" }).trim();

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A release's files as a root of their own, with this machine's devices and cgroups, in a mount namespace. */
export interface Surroundings extends AsyncDisposable {
  /** The same inside and outside, and what is mounted below it is seen on both sides. */
  readonly dir: string;
  /** argv that runs a program of the release in its own surroundings. */
  inside(...argv: string[]): string[];
  /** argv that runs a program of this machine in the surroundings' mount namespace. */
  beside(...argv: string[]): string[];
}

export interface OldOrNew extends AsyncDisposable {
  readonly version: string;
  readonly dir: string;
  readonly state: string;
  readonly address: string;
  readonly namespace: string;
  log(): string;
  inside: Surroundings["inside"];
  /** Its own ctr, in our namespace. */
  ctr(...args: string[]): Promise<Outcome>;
  end(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<number>;
}

/** Where this build's programs are in there: first on PATH. */
export const programs = "/berth";
const path = `${programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

let made = 0;

/** `packages` are installed beside the release's containerd and runc. */
export async function surroundingsOf(release: Release, packages: readonly string[] = []): Promise<Surroundings> {
  const dir = mkdtempSync("/run/berth-gen-");
  const root = join(dir, "fs");
  for (const name of ["upper", "work", "fs"]) mkdirSync(join(dir, name));
  const script = [mountAll, "sh", dir, rootOf(release, packages), dirname(shimBinary)];
  // Kept open by a process, so that a daemon can be started again in the same mounts.
  const holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-euc", ...script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  const beside = (...argv: string[]) => ["nsenter", `--target=${holder.pid}`, "--mount", "--", ...argv];
  return {
    dir,
    beside,
    inside: (...argv) => beside("chroot", root, "env", `PATH=${path}`, ...argv),
    async [Symbol.asyncDispose]() {
      // Its mounts go with the last process that has them.
      holder.stdin.end();
      await removeLeftovers(dir);
    },
  };
}

/** Makes the surroundings and starts the release's containerd in them. */
export async function startRelease(release: Release): Promise<OldOrNew> {
  await using undo = new AsyncDisposableStack();
  const { dir, inside } = undo.use(await surroundingsOf(release));
  const namespace = `gen-${process.pid}-${++made}`;
  const state = join(dir, "state");
  const address = join(dir, "c.sock");
  const ctr = (...args: string[]): Promise<Outcome> => {
    const [file = "", ...rest] = inside("ctr", "--address", address, "--namespace", namespace, ...args);
    return run(file, rest, { maxBuffer: 16 << 20 }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      // A daemon that has died says why in its log, which goes with its directory.
      ({ code, stdout, stderr }: Outcome) =>
        daemon.pid !== 0 && stderr.includes("connection refused")
          ? { code, stdout, stderr: `${stderr}\n${daemon.log().slice(-4000)}` }
          : { code, stdout, stderr },
    );
  };
  writeFileSync(join(dir, "config.toml"), configText(dir, state, address));
  const [command = "", ...args] = inside("containerd", "--config", join(dir, "config.toml"));
  const daemon = daemonOf({
    command,
    args,
    logFile: join(dir, "log"),
    async answers() {
      const { code, stderr } = await ctr("version");
      if (code !== 0) throw new Error(stderr);
    },
  });
  undo.defer(() => removeCgroups(namespace));
  undo.defer(() => daemon.end("SIGTERM"));
  await daemon.start();
  const version = /Server:\s+Version:\s+(\S+)/.exec((await ctr("version")).stdout)?.[1] ?? "";
  const owned = undo.move();
  return {
    version,
    dir,
    state,
    address,
    namespace,
    log: daemon.log,
    inside,
    ctr,
    end: daemon.end,
    start: daemon.start,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * An overlay keeps the release's files as they are; containerd's own overlays need another file system below them.
 * The directory is shared with the inside, but pivot_root(2) wants a root whose parent is not.
 */
const mountAll = `
mount --bind "$1" "$1"
mount --make-shared "$1"
mount --bind "$1/fs" "$1/fs"
mount --make-private "$1/fs"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/fs"
cd "$1/fs"
mkdir -p berth
mount -t tmpfs run run
mkdir -p "./$1"
mount --bind "$1" "./$1"
mount --bind "$3" berth
mount --rbind /dev dev
mount --rbind /proc proc
mount --rbind /sys sys
mount -t tmpfs tmp tmp
echo ready
exec cat
`;

const configText = (dir: string, state: string, address: string): string => `
version = 2
root = ${JSON.stringify(join(dir, "root"))}
state = ${JSON.stringify(state)}
[grpc]
  address = ${JSON.stringify(address)}
[debug]
  level = "debug"
[plugins."io.containerd.internal.v1.opt"]
  path = ${JSON.stringify(join(dir, "opt"))}
`;
