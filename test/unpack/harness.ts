// Runs the built berth-unpack on layers made of bytes, in a directory with a canary beside the root.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buildProgram, type Variant } from "../../packages/host/build.ts";
import { unpackC } from "../../packages/unpack/own-c.ts";

export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

export interface Answer {
  readonly status: number;
  /** The JSON line, whichever way it went. */
  readonly answer: Record<string, unknown>;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Workplace extends Disposable {
  readonly dir: string;
  /** Where layers go. */
  readonly root: string;
  /** A directory that no layer may reach. */
  readonly canary: string;
  readonly mountPoint: string;
  readonly bind: readonly Mount[];
  /** Mounts of an overlay on `root`, with its upper and work directory beside it. */
  overlay(name: string): readonly Mount[];
  apply(layer: Uint8Array, mounts?: readonly Mount[], more?: object): Answer;
  diff(lower: readonly Mount[], upper: readonly Mount[], compression?: string): Answer;
}

export const bindMount = (source: string): Mount => ({ type: "bind", source, target: "", options: ["rbind", "rw"] });

/** The program in a directory of its own; with a module that is evaluated before it, and C files that this needs. */
export async function buildUnpack(
  variant: Variant = "release",
  before: string | null = null,
  moreC: readonly string[] = [],
): Promise<string> {
  const outDir = mkdtempSync("/tmp/berth-unpack-bin-");
  process.once("exit", () => rmSync(outDir, { recursive: true, force: true }));
  const main = join(import.meta.dirname, "../../packages/unpack/src/main.ts");
  const modules = before === null ? [main] : [before, main];
  const entry = join(outDir, "main.ts");
  writeFileSync(entry, modules.map((path) => `import ${JSON.stringify(path)};\n`).join(""));
  return buildProgram({
    entry,
    name: "berth-unpack",
    outDir,
    variant,
    keepWhole: modules,
    moreC: [...unpackC, ...moreC],
  });
}

export function makeWorkplace(program: string): Workplace {
  const dir = mkdtempSync("/tmp/berth-unpack-");
  const root = join(dir, "root");
  const canary = join(dir, "canary");
  const mountPoint = join(dir, "mnt");
  for (const path of [root, canary]) mkdirSync(path);
  writeFileSync(join(canary, "file"), "untouched");
  const run = (command: string, job: object): Answer => {
    const result = spawnSync(program, [command], {
      input: JSON.stringify(job),
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      maxBuffer: 1 << 28,
      timeout: 60_000,
      env: { ...process.env, ASAN_OPTIONS: "detect_leaks=1" },
    });
    const line = command === "diff" ? String(result.output[3]) : result.stdout.toString();
    return {
      status: result.status ?? -1,
      answer: line === "" ? {} : JSON.parse(line),
      stdout: result.stdout,
      stderr: result.stderr.toString(),
    };
  };
  return {
    dir,
    root,
    canary,
    mountPoint,
    bind: [bindMount(root)],
    overlay(name) {
      const [upper, work] = [join(dir, `${name}-upper`), join(dir, `${name}-work`)];
      for (const path of [upper, work]) mkdirSync(path, { recursive: true });
      const options = [`lowerdir=${root}`, `upperdir=${upper}`, `workdir=${work}`];
      return [{ type: "overlay", source: "overlay", target: "", options }];
    },
    apply(layer, mounts = [bindMount(root)], more = {}) {
      const blob = join(dir, "layer");
      writeFileSync(blob, layer);
      return run("apply", { blob, name: "sha256:test", mounts, mountPoint, sync: false, ...more });
    },
    diff: (lower, upper, compression = "none") => run("diff", { lower, upper, mountPoint, compression }),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Every entry below a directory as a line of all that matters about it; to be compared with another tree's. */
export function walkTree(top: string, options: { times?: boolean } = {}): string[] {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const walk = (path: string): void => {
    for (const name of readdirSync(join(top, path)).sort()) {
      const at = join(path, name);
      const full = join(top, at);
      const stat = lstatSync(full);
      const kind = stat.isDirectory() ? "dir" : stat.isSymbolicLink() ? "link" : stat.isFile() ? "file" : "special";
      const content = stat.isSymbolicLink()
        ? readlinkSync(full)
        : stat.isFile()
          ? createHash("sha256").update(readFileSync(full)).digest("hex")
          : "";
      const first = stat.nlink > 1 && !stat.isDirectory() ? (inodes.get(stat.ino) ?? "") : "";
      if (!inodes.has(stat.ino)) inodes.set(stat.ino, at);
      const device = kind === "special" ? stat.rdev : 0;
      const time = options.times === false && kind === "dir" ? "" : stat.mtimeMs;
      lines.push([at, kind, stat.mode.toString(8), stat.uid, stat.gid, device, time, content, first].join(" "));
      if (stat.isDirectory()) walk(at);
    }
  };
  walk("");
  return lines;
}

/**
 * What GNU tar says about everything that the mounts show: names, kinds, modes, owners, times, links, contents and
 * extended attributes. Mounted in a namespace of its own, so that nothing can be left behind.
 */
export function tarOf(mounts: readonly Mount[]): Buffer {
  const point = mkdtempSync("/tmp/berth-unpack-view-");
  try {
    const [mount] = mounts;
    if (mount === undefined || mounts.length > 1) throw new Error("one mount is expected");
    const options = mount.options.join(",");
    const list = "find . -mindepth 1 -print0 | sort -z";
    const write =
      "tar --no-recursion --null --format=posix --pax-option=delete=atime,delete=ctime " +
      "--xattrs --xattrs-include='user.*' --xattrs-include='security.*' -cf - -T -";
    const script = `mount -t "$0" "$1" "$2" -o "$3" && cd "$2" && ${list} | ${write}`;
    const type = mount.type === "bind" ? "none" : mount.type;
    return execFileSync("unshare", ["-m", "sh", "-ec", script, type, mount.source, point, options], {
      maxBuffer: 1 << 28,
    });
  } finally {
    rmSync(point, { recursive: true });
  }
}

/** A tar as text that shows where two differ. */
export const listTar = (tar: Buffer): string[] =>
  execFileSync("tar", ["--full-time", "--numeric-owner", "--xattrs", "-tvvf", "-"], {
    input: tar,
    encoding: "utf8",
  }).split("\n");
