// Where the machine's limits are met: a page of mount options, a full disk.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeTar } from "../support/image.ts";
import { buildUnpack, makeWorkplace, type Workplace } from "./harness.ts";
import { linesOfTar } from "./layer-model.ts";

const root = process.getuid?.() === 0;
const program = root ? await buildUnpack() : "";

describe("an unpack", { skip: root ? false : "needs root" }, () => {
  /** An overlay of so many layers, whose names are `digits` long. */
  function overlayOf(place: Workplace, count: number, digits: number, within = "") {
    const lower = [...Array(count).keys()].map((number) => {
      const name = String(number).padStart(digits, "0");
      const path = join(place.dir, "io.containerd.snapshotter.v1.overlayfs/snapshots", name, "fs");
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, `from-${number}`), "x");
      return path;
    });
    const [upper, work] = ["upper", "work"].map((name) => join(place.dir, within, name)) as [string, string];
    for (const path of [upper, work]) mkdirSync(path, { recursive: true });
    const options = [`workdir=${work}`, `upperdir=${upper}`, `lowerdir=${lower.join(":")}`];
    assert.ok(options.join(",").length > 4096);
    return { lower, upper, mounts: [{ type: "overlay", source: "overlay", target: "", options }] };
  }

  const [major = 0, minor = 0] = release().split(".").map(Number);
  const oneByOne = major > 6 || (major === 6 && minor >= 5);

  for (const [count, digits, skip] of [
    [127, 1, false],
    [500, 1, false],
    // These do not fit a page even from their own directory.
    [300, 20, !oneByOne],
    [500, 20, !oneByOne],
  ] as const)
    it(`mounts ${count} layers with names of ${digits} digits or more`, { skip }, () => {
      using place = makeWorkplace(program);
      const { lower, upper, mounts } = overlayOf(place, count, digits);
      const last = `from-${count - 1}`;
      const members = [{ path: ".wh.from-0" }, { path: `.wh.${last}` }, { path: "new", content: "n" }];
      const { status, answer } = place.apply(makeTar(members), mounts);
      assert.equal(status, 0, JSON.stringify(answer));
      assert.deepEqual(readdirSync(upper).sort(), ["from-0", last, "new"]);
      assert.ok(lower.every((path, number) => existsSync(join(path, `from-${number}`))));
      assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(place.dir), "the mount was the unpacker's own");
      const { stdout } = place.diff([], mounts);
      assert.equal(linesOfTar(stdout).length, count - 1, "a view shows them all, but two, and the new one");
    });

  it("mounts 300 layers with an upper directory whose path is long", { skip: !oneByOne }, () => {
    using place = makeWorkplace(program);
    // fsconfig(2) takes values of 255 bytes.
    const { upper, mounts } = overlayOf(place, 300, 20, `${"a".repeat(200)}/${"b".repeat(200)}`);
    const { status, answer } = place.apply(makeTar([{ path: "new", content: "n" }]), mounts);
    assert.equal(status, 0, JSON.stringify(answer));
    assert.deepEqual(readdirSync(upper), ["new"]);
  });

  it("of 501 layers says what the kernel has against them", { skip: !oneByOne }, () => {
    using place = makeWorkplace(program);
    const { mounts } = overlayOf(place, 501, 20);
    const { status, answer } = place.apply(makeTar([]), mounts);
    assert.equal(status, 1);
    assert.match(String(answer.message), /^failed to mount "overlay" .*too many lower directories.*500/);
  });

  it("on a full disk names the member that did not fit", () => {
    using place = makeWorkplace(program);
    writeFileSync(join(place.dir, "layer"), makeTar([{ path: "big", content: Buffer.alloc(4 << 20) }]));
    const mounts = [{ type: "bind", source: place.root, target: "", options: ["rw", "rbind"] }];
    const job = { blob: join(place.dir, "layer"), name: "x", mounts, mountPoint: place.mountPoint };
    const script = 'mount -t tmpfs -o size=1m tmpfs "$1"; "$0" apply || true';
    const answer = JSON.parse(
      execFileSync("unshare", ["-m", "sh", "-ec", script, program, place.root], {
        input: JSON.stringify(job),
        encoding: "utf8",
      }),
    );
    assert.equal(answer.kind, "resource-exhausted");
    assert.match(answer.message, /no space is left on the disk for the member "big"/);
  });
});
