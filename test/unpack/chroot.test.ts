// In a chroot whose root is no mount point, where the mounts of a namespace cannot be kept from the machine's.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeTar } from "../support/image.ts";
import { buildUnpack, type Mount } from "./harness.ts";
import { linesOfTar } from "./layer-model.ts";

const isRoot = process.getuid?.() === 0;
const program = isRoot ? await buildUnpack() : "";
const mount = (type: string, options: string[] = []): Mount => ({ type, source: type, target: "", options });
const overlay = mount("overlay", ["workdir=/work", "upperdir=/upper", "lowerdir=/two:/one"]);

/** The program, two lower layers and nothing else: not even /proc. */
function makeChroot() {
  const dir = mkdtempSync("/tmp/berth-unpack-chroot-");
  for (const name of ["upper", "work", "one", "two", "trial"]) mkdirSync(join(dir, name));
  writeFileSync(join(dir, "one/old"), "x");
  writeFileSync(join(dir, "two/older"), "x");
  writeFileSync(join(dir, "layer"), makeTar([{ path: ".wh.old" }, { path: "dir/new", content: "n" }]));
  copyFileSync(program, join(dir, "berth-unpack"));
  const run = (command: string, job: object) => {
    const { output, stdout } = spawnSync("chroot", [dir, "/berth-unpack", command], {
      input: JSON.stringify(job),
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      timeout: 60_000,
    });
    return { answer: JSON.parse(String(output[command === "diff" ? 3 : 1])), stdout };
  };
  const apply = (mounts: Mount[]) => run("apply", { blob: "/layer", name: "x", mounts, mountPoint: "/mnt" }).answer;
  return { dir, run, apply, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

describe("berth-unpack in a plain chroot", { skip: isRoot ? false : "needs root" }, () => {
  it("applies a layer to an overlay and makes a diff of it", () => {
    using chroot = makeChroot();
    const { kind, message, digest } = chroot.apply([overlay]);
    assert.match(digest ?? `${kind}: ${message}`, /^sha256:/);
    assert.deepEqual(readdirSync(join(chroot.dir, "upper")).sort(), ["dir", "old"]);
    assert.ok(lstatSync(join(chroot.dir, "upper/old")).isCharacterDevice());
    const lower = mount("overlay", ["lowerdir=/two:/one"]);
    const { answer, stdout } = chroot.run("diff", {
      lower: [lower],
      upper: [overlay],
      mountPoint: "/mnt",
      compression: "none",
    });
    assert.equal(answer.message, undefined);
    assert.deepEqual(
      linesOfTar(stdout).map((line) => line.split(" ")[0]),
      [".wh.old", "dir", "dir/new"],
    );
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(chroot.dir));
  });

  it("finds that overlayfs works", () => {
    using chroot = makeChroot();
    assert.deepEqual(chroot.run("probe", { directory: "/trial", options: [] }).answer, {});
  });

  it("says what other mounts need", () => {
    using chroot = makeChroot();
    const { kind, message } = chroot.apply([mount("tmpfs")]);
    assert.deepEqual(
      [kind, message],
      [
        "unknown",
        'failed to mount "tmpfs" of type "tmpfs": the root directory is no mount point: bind-mount it onto itself before the chroot: unknown',
      ],
    );
  });
});

describe("a probe", { skip: isRoot ? false : "needs root" }, () => {
  const probeIn = (script: string) => {
    const dir = mkdtempSync("/tmp/berth-unpack-probe-");
    try {
      const { stdout } = spawnSync("unshare", ["-m", "sh", "-ec", `cd "$1"; ${script}; "$0" probe`, program, dir], {
        input: JSON.stringify({ directory: `${dir}/trial`, options: [] }),
        timeout: 60_000,
      });
      return JSON.parse(String(stdout));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  };

  it("finds that overlayfs works on tmpfs", () => {
    assert.deepEqual(probeIn("mkdir trial; mount -t tmpfs tmpfs trial"), {});
  });

  it("passes on what the kernel has against an overlay as upper directory", () => {
    const { kind, message } = probeIn(`mkdir -p lower upper work trial
      mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work trial`);
    assert.equal(kind, "unknown");
    assert.match(message, /^failed to mount "overlay" .*filesystem on .* not supported as upperdir/);
  });

  it("refuses a file system that is read-only", () => {
    const { message } = probeIn("mkdir trial; mount -t tmpfs -o ro tmpfs trial");
    assert.match(message, /read-only file system/);
  });
});
