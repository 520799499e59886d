// `berth save` and `berth load` on a real berthd, beside Debian's ctr, docker and skopeo.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { Blobs, chart, layout, named } from "../../scripts/bench/image-archive.ts";
import { dockerOnContainerd } from "../docker/containerd.ts";
import { startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { type Berth, berthAt, testNamespace } from "./berth.ts";
import { platforms, type TwoPlatforms, twoPlatforms } from "./image-archives.ts";
import { berthOnTerminal } from "./terminal.ts";

const run = promisify(execFile);
const BUSYBOX = "docker.io/library/busybox:save";
const TWO = "docker.io/library/two:1";
const PART = "docker.io/library/part:1";
const MiB = 1 << 20;

let berthd: Supervisor;
let berth: Berth;
let folder: string;
let two: TwoPlatforms;

before(async () => {
  folder = mkdtempSync("/tmp/berth-save-");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address);
  writeBusyboxImage(at("busybox.tar"), { format: "oci", name: BUSYBOX });
  const blobs = new Blobs();
  two = twoPlatforms(blobs);
  writeFileSync(at("two.tar"), layout(blobs, [named(two.index, TWO), named(two.index, "host.example:5000/two:2")]));
  for (const name of ["busybox.tar", "two.tar"]) assert.equal((await berth("load", "-i", at(name))).code, 0);
});
after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string) => join(folder, name);
const ok = { code: 0, stdout: "", stderr: "" };
const failed = (sentence: string, code = 125) => ({ code, stdout: "", stderr: `berth: ${sentence}\n` });
const pathOf = (digest: string) =>
  join(berthd.root, "io.containerd.content.v1.content/blobs/sha256", digest.slice("sha256:".length));
const membersOf = async (archive: string) => (await run("tar", ["-tf", archive])).stdout.trim().split("\n");
const documentOf = async (archive: string, name: string) =>
  JSON.parse((await run("tar", ["-xOf", archive, name])).stdout);

/** A directory of its own for what is written, and what is in it afterwards. */
function outputFolder(): { path: string; names: () => string[] } {
  const path = mkdtempSync(at("out-"));
  return { path, names: () => readdirSync(path).sort() };
}

describe("berth save", () => {
  it("writes the bytes that ctr images export writes", { skip: !hasContainerd() }, async () => {
    await using containerd = await startContainerd();
    for (const name of ["busybox.tar", "two.tar"])
      await containerd.ctr("images", "import", "--all-platforms", "--no-unpack", at(name));
    for (const args of [
      [BUSYBOX],
      [BUSYBOX, TWO, "host.example:5000/two:2"],
      [TWO],
      ["--platform", platforms.other, TWO],
      ["--platform", platforms.other, "--platform", platforms.own, TWO],
      ["--all-platforms", TWO],
    ]) {
      const options = args.filter((word) => !/:\d$|:save$/.test(word));
      const names = args.slice(options.length);
      await containerd.ctr("images", "export", ...options, at("ctr.tar"), ...names);
      assert.deepEqual(await berth("save", "-o", at("berth.tar"), ...args), ok);
      const [ours, theirs] = [at("berth.tar"), at("ctr.tar")];
      // Its manifest.json is in no order.
      if (names.length === 1) assert.ok(readFileSync(ours).equals(readFileSync(theirs)), args.join(" "));
      assert.deepEqual(await membersOf(ours), await membersOf(theirs));
      assert.deepEqual(await documentOf(ours, "index.json"), await documentOf(theirs, "index.json"));
    }
  });

  it("writes the same for the same images, whatever they are called by, to a file and to stdout", async () => {
    assert.deepEqual(await berth("image", "save", "--output", at("a.tar"), "two:1", "busybox:save"), ok);
    assert.deepEqual(await berth("save", "-o", at("b.tar"), BUSYBOX, TWO, BUSYBOX), ok);
    const { code, stdout, stderr } = await berth("save", BUSYBOX, TWO);
    assert.deepEqual([code, stderr], [0, ""]);
    const first = readFileSync(at("a.tar"));
    assert.ok(first.equals(readFileSync(at("b.tar"))));
    assert.ok(first.equals(Buffer.from(stdout, "latin1")));
  });

  it("writes what berth load takes, from a file and from stdin", async () => {
    await berth("save", "-o", at("both.tar"), BUSYBOX, TWO);
    const other = await berthAt(berthd.address, `${testNamespace}-other`);
    const names = `${BUSYBOX}\n${TWO}\n`;
    assert.deepEqual(await other("load", "-i", at("both.tar")), { ...ok, stdout: names });
    assert.equal((await other("image", "prune", "--all", "--force")).stdout, names);
    const { child, ended } = other.start("load");
    child.stdin.end(readFileSync(at("both.tar")));
    assert.deepEqual(await ended, { ...ok, stdout: names });
    assert.equal((await other("run", "--rm", "busybox:save", "echo", "ran")).stdout, "ran\n");
    await other("image", "prune", "--all", "--force");
  });

  it("writes what docker loads and runs, and skopeo reads", { skip: !hasContainerd() }, async () => {
    await berth("tag", BUSYBOX, "busybox:again");
    await berth("save", "-o", at("docker.tar"), BUSYBOX, "busybox:again", TWO);
    await using subject = await dockerOnContainerd();
    assert.deepEqual((await subject.docker.ok("load", "--input", at("docker.tar"))).split("\n").sort(), [
      "Loaded image: busybox:again",
      "Loaded image: busybox:save",
      "Loaded image: two:1",
    ]);
    const ran = await subject.docker.ok("run", "--rm", "--network=none", "busybox:save", "echo", "ran");
    assert.equal(ran, "ran");
    for (const transport of [`docker-archive:${at("docker.tar")}:busybox:save`, `oci-archive:${at("one.tar")}`]) {
      await berth("save", "-o", at("one.tar"), BUSYBOX);
      const { stdout } = await run("skopeo", ["inspect", "--config", transport]);
      assert.deepEqual(JSON.parse(stdout).config.Cmd, ["sh"]);
    }
  });

  it("names to docker what has a tag, and leaves out what is no image", async () => {
    const digest = `docker.io/library/two@${two.index.digest}`;
    await berthd.ctr("--namespace", testNamespace, "images", "tag", TWO, digest);
    await berth("save", "-o", at("names.tar"), digest);
    const [entry] = await documentOf(at("names.tar"), "manifest.json");
    assert.equal(entry.RepoTags, null);
    const blobs = new Blobs();
    writeFileSync(
      at("chart.tar"),
      layout(blobs, [named(twoPlatforms(blobs).index, TWO), named(chart(blobs), "a/chart:1")]),
    );
    await berth("load", "-i", at("chart.tar"));
    assert.deepEqual(await berth("save", "-o", at("chart-only.tar"), "a/chart:1"), ok);
    assert.ok(!(await membersOf(at("chart-only.tar"))).includes("manifest.json"));
    await berth("image", "rm", "a/chart:1", digest);
  });

  it("refuses a terminal, and shows its progress on one", async () => {
    const refused = await berthOnTerminal(berthd.address, ["save", BUSYBOX]);
    await refused.expect("berth: stdout is a terminal: name a file with --output, or redirect it");
    assert.equal((await refused.exited).exitCode, 2);
    const shown = await berthOnTerminal(berthd.address, ["save", "-o", at("shown.tar"), BUSYBOX]);
    await shown.expect("busybox:save: ");
    assert.equal((await shown.exited).exitCode, 0);
    assert.ok(existsSync(at("shown.tar")));
    const loading = await berthOnTerminal(berthd.address, ["load"]);
    await loading.expect("berth: stdin is a terminal: name the archive with --input, or redirect it");
    assert.equal((await loading.exited).exitCode, 2);
  });
});

describe("an image that is here for some platforms only", () => {
  let part: TwoPlatforms;
  before(async () => {
    const blobs = new Blobs();
    part = twoPlatforms(blobs, new Blobs(), "part");
    writeFileSync(at("part.tar"), layout(blobs, [named(part.index, PART)]));
    assert.equal((await berth("load", "-i", at("part.tar"))).code, 0);
  });

  it("is saved for this machine", async () => {
    assert.deepEqual(await berth("save", "-o", at("part-own.tar"), PART), ok);
    assert.deepEqual(await berth("save", "-o", at("part-own2.tar"), "--platform", platforms.own, PART), ok);
    assert.ok(readFileSync(at("part-own.tar")).equals(readFileSync(at("part-own2.tar"))));
  });

  it("is saved for all that it is here for, and the others are named", async () => {
    assert.deepEqual(await berth("save", "-o", at("part-all.tar"), "--all-platforms", PART), {
      ...ok,
      stderr: `berth: left out, as not all of it is here: ${platforms.other}\n`,
    });
  });

  it("is not saved for another, nor for one that it never was for", async () => {
    const { names, path } = outputFolder();
    const saved = (platform: string) => berth("save", "-o", join(path, "x.tar"), "--platform", platform, PART);
    assert.deepEqual(
      await saved(platforms.other),
      failed(
        `image "${PART}" is not here as a whole: manifest ${part.other.digest} is missing (berth image tree shows what is here)`,
      ),
    );
    assert.deepEqual(
      await saved("linux/s390x"),
      failed(`image "${PART}" has ${platforms.other}, ${platforms.own}; platform "linux/s390x": not found`),
    );
    assert.match((await saved("no such")).stderr, /^berth: platform "no such" is none: [^\n]*\n$/);
    assert.deepEqual(names(), []);
  });
});

describe("what cannot be saved leaves nothing", () => {
  it("an unknown image, with the nearest name; no image at all; two choices of platforms", async () => {
    const { names, path } = outputFolder();
    const file = join(path, "x.tar");
    assert.deepEqual(
      await berth("save", "-o", file, "busybx:save"),
      failed('image "docker.io/library/busybx:save": not found: did you mean busybox:save?'),
    );
    assert.deepEqual(
      await berth("save", "-o", file, BUSYBOX, "far/away"),
      failed('image "docker.io/far/away:latest": not found'),
    );
    assert.equal((await berth("save", "-o", file)).code, 2);
    assert.equal((await berth("save", "--all-platforms", "--platform", "arm64", BUSYBOX)).code, 2);
    assert.deepEqual(names(), []);
  });

  it("an image with a damaged or a missing layer; a file that was there stays as it was", async () => {
    const { names, path } = outputFolder();
    const file = join(path, "x.tar");
    writeFileSync(file, "before");
    const blobs = new Blobs();
    const layer = new Uint8Array(4 * MiB).fill(1);
    const { digest } = blobs.add("layer", layer);
    blobs.members.length = 0;
    const image = blobs.image([layer]);
    writeFileSync(at("hurt.tar"), layout(blobs, [named(image, "hurt:1")]));
    // Never unpacked: what it holds is no tar.
    await berthd.ctr("--namespace", testNamespace, "images", "import", "--no-unpack", at("hurt.tar"));
    assert.deepEqual(await berth("save", "-o", at("whole.tar"), "hurt:1"), ok);
    chmodSync(pathOf(digest), 0o600);
    writeFileSync(pathOf(digest), layer.fill(2, 2 * MiB));
    const again = "import or pull the image again";
    assert.deepEqual(
      await berth("save", "-o", file, "hurt:1"),
      failed(`blob ${digest} is damaged (its bytes have changed): ${again}`),
    );
    assert.deepEqual(
      await berth("save", "-o", file, "hurt:1"),
      failed(`layer ${digest} of manifest ${image.digest} is damaged (its bytes have changed): ${again}`),
      "it is known by now",
    );
    await berthd.ctr("--namespace", testNamespace, "content", "rm", digest);
    assert.match(
      (await berth("save", "-o", file, "hurt:1")).stderr,
      /^berth: image "hurt:1" is not here as a whole: layer/,
    );
    assert.deepEqual([names(), readFileSync(file, "utf8")], [["x.tar"], "before"]);
    await berth("image", "rm", "hurt:1");
  });

  it("a file that cannot be written", async () => {
    const { names, path } = outputFolder();
    const missing = join(path, "no/x.tar");
    assert.deepEqual(
      await berth("save", "-o", missing, BUSYBOX),
      failed(`cannot write "${missing}": no such file or directory`, 2),
    );
    assert.deepEqual(
      await berth("save", "-o", path, BUSYBOX),
      failed(`"${path}" is a directory: name a file in it`, 2),
    );
    assert.deepEqual(
      await berth("save", "-o", "/dev/full", BUSYBOX),
      failed('cannot write "/dev/full": no space left on device'),
    );
    assert.deepEqual(names(), []);
  });

  it("a disk that is full", async () => {
    const disk = at("disk");
    mkdirSync(disk);
    await run("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]);
    try {
      const file = join(disk, "x.tar");
      assert.deepEqual(
        await berth("save", "-o", file, BUSYBOX),
        failed(`cannot write "${file}": no space left on device`),
      );
      assert.deepEqual(readdirSync(disk), []);
    } finally {
      await run("umount", [disk]);
    }
  });

  it("a reader that goes: it ends as one that SIGPIPE ended", async () => {
    const { child, ended } = berth.start("save", BUSYBOX);
    child.stdout.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [141, ""]);
  });

  it("an interrupt, and a supervisor that goes", async () => {
    const blobs = new Blobs();
    const image = blobs.image([new Uint8Array(128 * MiB)]);
    writeFileSync(at("large.tar"), layout(blobs, [named(image, "large:1")]));
    await berthd.ctr("--namespace", testNamespace, "images", "import", "--no-unpack", at("large.tar"));
    for (const interrupt of ["client", "berthd"]) {
      const { names, path } = outputFolder();
      const begun = Promise.withResolvers<void>();
      const watcher = watch(path, () => begun.resolve());
      const { child, ended } = berth.start("save", "-o", join(path, "x.tar"), "large:1");
      await begun.promise;
      watcher.close();
      if (interrupt === "client") child.kill("SIGINT");
      else await berthd.end();
      const { code, stderr } = await ended;
      if (interrupt === "client") assert.deepEqual([code, stderr], [130, ""]);
      else assert.deepEqual([code, /^berth: berthd went away [^\n]*\n$/.test(stderr)], [125, true], stderr);
      assert.deepEqual(names(), []);
    }
    await berthd.restart();
  });
});
