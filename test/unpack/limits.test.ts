// Where the machine's limits are met: a page of mount options, a full disk.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeTar } from "../support/image.ts";
import { buildUnpack, makeWorkplace } from "./harness.ts";

const root = process.getuid?.() === 0;
const program = root ? await buildUnpack() : "";

describe("an unpack", { skip: root ? false : "needs root" }, () => {
  it("mounts more layers than fit a page of options", () => {
    using place = makeWorkplace(program);
    const lower = [...Array(100).keys()].map((number) => {
      const path = join(place.dir, "io.containerd.snapshotter.v1.overlayfs/snapshots", String(number), "fs");
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, `from-${number}`), "x");
      return path;
    });
    const [upper, work] = ["upper", "work"].map((name) => join(place.dir, name)) as [string, string];
    for (const path of [upper, work]) mkdirSync(path);
    const options = [`workdir=${work}`, `upperdir=${upper}`, `lowerdir=${lower.join(":")}`];
    assert.ok(options.join(",").length > 4096);
    const members = [{ path: ".wh.from-0" }, { path: ".wh.from-99" }, { path: "new", content: "n" }];
    const { status, answer } = place.apply(makeTar(members), [
      { type: "overlay", source: "overlay", target: "", options },
    ]);
    assert.equal(status, 0, JSON.stringify(answer));
    assert.deepEqual(readdirSync(upper).sort(), ["from-0", "from-99", "new"]);
    assert.ok(lower.every((path, number) => existsSync(join(path, `from-${number}`))));
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(place.dir), "the mount was the unpacker's own");
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
