// Where overlayfs does not work everything goes on with native; where only a mount namespace cannot be made, overlayfs is
// used all the same.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";

const image = "docker.io/library/busybox:latest";
/** Runs its arguments in mounts of its own; the last is the path of the configuration. */
const inMounts = (script: string) => [
  "unshare",
  "-m",
  "sh",
  "-ec",
  `for last; do :; done\ndir=\${last%/*}\n${script}`,
  "sh",
];

/** The root on an overlay, as in a container: overlayfs refuses it as an upper directory. */
const rootOnOverlay = inMounts(`cd "$dir"
mkdir -p root disk/lower disk/upper disk/work
mount -t overlay overlay -o lowerdir=disk/lower,upperdir=disk/upper,workdir=disk/work root
exec "$@"`);

/** All that the machine has, in a chroot whose root is no mount point. */
const plainChroot = inMounts(`mkdir -p "$dir/top"
for path in /*; do
  if [ -L "$path" ]; then cp -P "$path" "$dir/top/"
  elif [ -d "$path" ]; then mkdir -p "$dir/top$path"; mount --rbind "$path" "$dir/top$path"
  fi
done
exec chroot "$dir/top" "$@"`);

const mountRoot = 'mount --rbind "$dir/top" "$dir/top"; exec chroot';
const isRoot = process.getuid?.() === 0 ? false : "needs root";

interface Place extends AsyncDisposable {
  readonly berthd: Supervisor;
  readonly berth: Berth;
  /** Of an image with busybox. */
  readonly archive: string;
  /** Lines of the log that speak of an overlayfs that does not work. */
  warnings(): string[];
}

async function openPlace(within: readonly string[]): Promise<Place> {
  const berthd = await startBerthd({ within });
  const archive = join(berthd.dir, "image.tar");
  writeBusyboxImage(archive, { format: "oci", name: image });
  return {
    berthd,
    berth: await berthAt(berthd.address),
    archive,
    warnings: () =>
      berthd
        .log()
        .split("\n")
        .filter((line) => line.includes("overlayfs does not work")),
    [Symbol.asyncDispose]: () => berthd.stop(),
  };
}

describe("berthd on a file system that overlayfs refuses", { skip: isRoot }, () => {
  let place: Place;
  before(async () => {
    place = await openPlace(rootOnOverlay);
  });
  after(() => place?.[Symbol.asyncDispose]());

  it("says so once, with the reason", () => {
    const [line = "", ...more] = place.warnings();
    assert.match(line, /the native snapshotter takes its place .*filesystem on .* not supported as upperdir/);
    assert.deepEqual(more, []);
  });

  it("imports, runs, executes and removes on native", async () => {
    const { berth, archive } = place;
    assert.deepEqual(await berth("image", "import", archive), { code: 0, stdout: `${image}\n`, stderr: "" });
    const ran = await berth("run", "-d", "--name", "made", "busybox", "sh", "-c", "echo one >/file; sleep 1000");
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const { stdout } = await berth("inspect", "made");
    assert.equal(JSON.parse(stdout)[0].snapshotter, "native");
    const read = "until [ -s /file ]; do usleep 10000; done; cat /file";
    assert.deepEqual(await berth("exec", "made", "sh", "-c", read), { code: 0, stdout: "one\n", stderr: "" });
    assert.equal((await berth("rm", "-f", "made")).code, 0);
    assert.equal((await berth("ps", "-aq")).stdout, "");
    assert.deepEqual(place.warnings().length, 1);
  });

  it("refuses an overlayfs that is asked for, with the reason, and leaves nothing", async () => {
    const { berth, archive } = place;
    assert.equal((await berth("image", "import", archive)).code, 0);
    const refusal =
      /^berth: snapshotter not loaded: overlayfs, since it does not work below \/run\/.*not supported as upperdir.*: use native\n$/;
    for (const command of [
      ["run", "--snapshotter", "overlayfs", "busybox", "true"],
      ["image", "import", "--snapshotter", "overlayfs", archive],
    ]) {
      const { code, stderr } = await berth(...command);
      assert.notEqual(code, 0);
      assert.match(stderr, refusal);
    }
    assert.equal((await berth("ps", "-aq")).stdout, "");
    const overlays = join(place.berthd.root, "io.containerd.snapshotter.v1.overlayfs");
    assert.ok(!existsSync(join(overlays, "probe")));
  });

  it("starts again without a second reason in one start", async () => {
    await place.berthd.end("SIGTERM");
    await place.berthd.restart();
    assert.equal(place.warnings().length, 2);
  });
});

describe("berthd in a chroot whose root is no mount point", { skip: isRoot }, () => {
  it("unpacks into overlayfs, and says what runc needs", async () => {
    await using place = await openPlace(plainChroot);
    const { berth, archive, berthd } = place;
    assert.deepEqual(place.warnings(), []);
    assert.deepEqual(await berth("image", "import", archive), { code: 0, stdout: `${image}\n`, stderr: "" });
    const snapshots = join(berthd.root, "io.containerd.snapshotter.v1.overlayfs/snapshots");
    assert.equal(readdirSync(snapshots).length, 1);
    const { code, stderr } = await berth("run", "--name", "refused", "busybox", "true");
    assert.notEqual(code, 0);
    assert.match(stderr, /chroot whose root is no mount point.*\(mount --bind DIR DIR\)\n$/);
    assert.equal((await berth("rm", "refused")).code, 0);
    assert.equal(readdirSync(snapshots).length, 1);
  });

  it("runs containers once the root is one", async () => {
    await using place = await openPlace(plainChroot.map((part) => part.replace(/^exec chroot/m, mountRoot)));
    const { berth, archive } = place;
    assert.equal((await berth("image", "import", archive)).code, 0);
    assert.deepEqual(await berth("run", "--rm", "busybox", "echo", "ran"), { code: 0, stdout: "ran\n", stderr: "" });
  });
});
