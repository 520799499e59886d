// What the client says and does about images, on a real berthd, beside Debian's ctr.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { Blobs, layout, named, OCI, smallLayer } from "../../scripts/bench/image-archive.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { type Berth, berthAt, testNamespace } from "./berth.ts";
import { platforms, twoPlatforms } from "./image-archives.ts";
import { berthOnTerminal } from "./terminal.ts";

const BUSYBOX = "docker.io/library/busybox:latest";
const NOBODY = "docker.io/library/nobody:1";
const ok = { code: 0, stdout: "", stderr: "" };

let berthd: Supervisor;
let berth: Berth;
let folder: string;

before(async () => {
  folder = mkdtempSync("/tmp/berth-images-");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address);
  writeBusyboxImage(join(folder, "busybox.tar"), { format: "oci", name: BUSYBOX });
});
after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  const { stdout } = await berth("ps", "-aq");
  if (stdout !== "") await berth("rm", "-f", ...stdout.trim().split("\n"));
  assert.equal((await berth("image", "prune", "--all", "--force")).code, 0);
});

const ctr = (...args: string[]) => berthd.ctr("--namespace", testNamespace, ...args);
const pathOf = (digest: string) =>
  join(berthd.root, "io.containerd.content.v1.content/blobs/sha256", digest.slice("sha256:".length));
const linesOf = (stdout: string) => stdout.split("\n").filter((line) => line !== "");
const jsonOf = async (...args: string[]) => linesOf((await berth(...args)).stdout).map((line) => JSON.parse(line));
const names = async () => linesOf((await berth("image", "ls", "-q")).stdout);

async function load(blobs: Blobs, ...manifests: object[]): Promise<void> {
  const file = join(folder, "image.tar");
  writeFileSync(file, layout(blobs, manifests));
  const { code, stderr } = await berth("load", "-i", file);
  assert.equal(code, 0, stderr);
}

const loadBusybox = () => berth("load", "-i", join(folder, "busybox.tar"));

describe("berth image tag", () => {
  it("gives an image further names, which other clients see", async () => {
    await loadBusybox();
    const given = ["tag", "busybox", "mine:1", "host.example:5000/mine"];
    const full = ["docker.io/library/mine:1", "host.example:5000/mine:latest"];
    assert.deepEqual(await berth(...given), { ...ok, stdout: `${full.join("\n")}\n` });
    assert.deepEqual(await berth("image", ...given), { ...ok, stdout: `${full.join("\n")}\n` }, "nothing has changed");
    assert.deepEqual(await names(), [BUSYBOX, ...full].sort());
    const digests = linesOf(await ctr("images", "ls"))
      .slice(1)
      .map((line) => /sha256:[0-9a-f]+/.exec(line)?.[0]);
    assert.equal(new Set(digests).size, 1);
    assert.equal((await berth("run", "--rm", "mine:1", "echo", "ran")).stdout, "ran\n");
  });

  it("moves a name, and says what it meant before", async () => {
    await loadBusybox();
    const blobs = new Blobs();
    const image = blobs.image([smallLayer()]);
    await load(blobs, named(image, NOBODY));
    assert.deepEqual(await berth("tag", "busybox", "nobody:1"), {
      ...ok,
      stdout: `${NOBODY}\n`,
      stderr: `berth: ${NOBODY} was ${image.digest} before\n`,
    });
    assert.equal((await berth("run", "--rm", "nobody:1", "echo", "ran")).stdout, "ran\n");
  });

  it("gives all of the names or none, and says why not", async () => {
    await loadBusybox();
    const digest = `sha256:${"a".repeat(64)}`;
    for (const [args, code, sentence] of [
      [["busybx", "new:1"], 125, /image "docker.io\/library\/busybx:latest": not found: did you mean busybox\?/],
      [["busybox:1", "new:1"], 125, /image "docker.io\/library\/busybox:1": not found/],
      [["busybox", "new:1", "No Reference"], 125, /image reference "No Reference" is invalid/],
      [["busybox", "new:1", `x@${digest}`], 125, new RegExp(`"x@${digest}" has a digest, which no name can change`)],
      [["busybox"], 2, /the further name of "busybox" is missing/],
      [[], 2, /the image is missing/],
    ] as const) {
      const ended = await berth("tag", ...args);
      assert.deepEqual([ended.code, ended.stdout], [code, ""], ended.stderr);
      assert.match(ended.stderr, new RegExp(`^berth: [^\n]*${sentence.source}[^\n]*\n$`));
    }
    assert.deepEqual(await names(), [BUSYBOX]);
  });
});

describe("berth image history", () => {
  const created = "2023-11-14T22:13:20.123456789Z";
  const long = `RUN ${"x".repeat(200)} && \\\n\techo done`;
  const loadSteps = async () => {
    const blobs = new Blobs();
    const history = [
      { created, created_by: "COPY a /", comment: "first" },
      { created, created_by: long, empty_layer: true },
    ];
    await load(blobs, named(blobs.image([smallLayer("a"), smallLayer("b")], { config: { history } }), NOBODY));
  };

  it("has a row for each step and for layers that none tells of, the newest first", async () => {
    await loadSteps();
    assert.deepEqual(
      (await jsonOf("image", "history", "--json", "nobody:1")).map(({ layer, ...step }) => ({
        ...step,
        size: layer?.size,
      })),
      [
        { created: null, createdBy: "", comment: "", size: 2048 },
        { created, createdBy: long, comment: "", size: undefined },
        { created, createdBy: "COPY a /", comment: "first", size: 2048 },
      ],
    );
    const { stdout } = await berth("image", "history", "nobody:1");
    const rows = linesOf(stdout);
    assert.match(rows[0] ?? "", /^CREATED +CREATED BY +SIZE +COMMENT$/);
    assert.match(rows[1] ?? "", /^ +2\.00 KiB$/);
    assert.match(rows[2] ?? "", /^\d+ years ago +RUN x{200} && \\ echo done$/);
    assert.match(rows[3] ?? "", /^\d+ years ago +COPY a \/ +2\.00 KiB +first$/);
  });

  it("fits a terminal, unless it is not to be shortened", async () => {
    await loadSteps();
    for (const [more, isShort] of [
      [[], true],
      [["--no-trunc"], false],
    ] as const) {
      const shown = await berthOnTerminal(berthd.address, ["image", "history", ...more, "nobody:1"], {
        cols: 60,
        rows: 24,
      });
      assert.equal((await shown.exited).exitCode, 0);
      assert.equal(
        shown
          .screen()
          .split("\r\n")
          .every((line) => line.length <= 60),
        isShort,
        shown.screen(),
      );
    }
  });

  it("is that of the image for one platform", async () => {
    const blobs = new Blobs();
    const two = twoPlatforms(blobs);
    await load(blobs, named(two.index, NOBODY));
    const layers = await Promise.all(
      [platforms.own, platforms.other].map((one) => jsonOf("image", "history", "--json", "--platform", one, NOBODY)),
    );
    assert.notDeepEqual(layers[0], layers[1]);
    assert.deepEqual(await jsonOf("image", "history", "--json", NOBODY), layers[0]);
    const { code, stderr } = await berth("image", "history", "--platform", "linux/s390x", NOBODY);
    assert.deepEqual([code, /^berth: [^\n]*linux\/s390x[^\n]*\n$/.test(stderr)], [125, true], stderr);
  });
});

describe("berth image tree", () => {
  it("shows what is here, what is not, and what is unpacked", async () => {
    const blobs = new Blobs();
    const two = twoPlatforms(blobs, new Blobs(), "tree");
    const outer = blobs.add(OCI.index, { schemaVersion: 2, manifests: [two.index, two.index] });
    await load(blobs, named(outer, NOBODY));
    const short = (digest: string) => digest.slice(0, "sha256:".length + 12);
    const lines = linesOf((await berth("image", "tree", "nobody:1")).stdout).map((line) =>
      Buffer.from(line, "latin1").toString(),
    );
    assert.deepEqual(lines.slice(0, 5), [
      NOBODY,
      `└─ index ${short(outer.digest)}  ${outer.size} B`,
      `   ├─ index ${short(two.index.digest)}  ${two.index.size} B`,
      `   │  ├─ manifest ${short(two.other.digest)}  ${platforms.other}  ${two.other.size} B  missing`,
      `   │  └─ manifest ${short(two.own.digest)}  ${platforms.own}  ${two.own.size} B`,
    ]);
    assert.match(lines[5] ?? "", /^ {3}│ {5}├─ config sha256:[0-9a-f]{12} {2}\d+ B$/);
    assert.match(lines[6] ?? "", /^ {3}│ {5}└─ layer sha256:[0-9a-f]{12} {2}2\.00 KiB {2}unpacked \(overlayfs\)$/);
    assert.equal(lines[7], `   └─ index ${short(two.index.digest)}  ${two.index.size} B  as above`);
    const [tree] = await jsonOf("image", "tree", "--json");
    assert.deepEqual(
      [tree.name, tree.cut, tree.parts[0].children[0].children[1].children[1].unpacked],
      [NOBODY, false, ["overlayfs"]],
    );
  });

  it("shows what is damaged", async () => {
    const blobs = new Blobs();
    const image = blobs.image([smallLayer("damaged")]);
    await load(blobs, named(image, NOBODY));
    chmodSync(pathOf(image.digest), 0o600);
    writeFileSync(pathOf(image.digest), readFileSync(pathOf(image.digest)).fill(0x20, 10, 12));
    await berthd.end();
    await berthd.restart();
    const [tree] = await jsonOf("image", "tree", "--json");
    assert.deepEqual([tree.parts[0].state, tree.parts[0].children], ["damaged", []]);
  });

  it("of an unknown image is none", async () => {
    await loadBusybox();
    const unknown = {
      ...ok,
      code: 125,
      stderr: 'berth: image "docker.io/library/busibox:latest": not found: did you mean busybox?\n',
    };
    for (const word of ["tree", "usage", "history", "check"])
      assert.deepEqual(await berth("image", word, "busibox"), unknown);
  });
});

describe("berth image usage", () => {
  it("tells what images share and what is their own", async () => {
    const blobs = new Blobs();
    const below = smallLayer("below", "x".repeat(5000));
    const [one, two] = [blobs.image([below, smallLayer("one")]), blobs.image([below])];
    await load(blobs, named(one, "one:1"), named(two, "two:1"));
    const sizes = new Map((await jsonOf("image", "usage", "--json")).map((size) => [size.name, size]));
    const sizeOf = (...images: (typeof one)[]): number => {
      const parts = images.flatMap((image) => {
        const { config, layers } = JSON.parse(readFileSync(pathOf(image.digest), "utf8"));
        return [image, config, ...layers];
      });
      return [...new Map(parts.map(({ digest, size }) => [digest, size])).values()].reduce(
        (sum, size) => sum + size,
        0,
      );
    };
    assert.deepEqual(
      ["one:1", "two:1", null].map((name) => sizes.get(name).blobs),
      [sizeOf(one), sizeOf(two), sizeOf(one, two)],
    );
    const shared = below.length + sizes.get("two:1").snapshots;
    assert.ok(sizes.get("two:1").snapshots >= 5000);
    for (const { blobs: all, snapshots, shared: its, own } of sizes.values())
      assert.deepEqual([its, own], [shared, all + snapshots - shared]);
    assert.match(
      (await berth("image", "usage")).stdout,
      /^NAME +BLOBS +SNAPSHOTS +SHARED +OWN\n(?:(?:one:1|two:1|total) .* K?i?B\n){3}$/,
    );
    await ctr("images", "tag", "one:1", "again:1");
    const [again, sum] = await jsonOf("image", "usage", "--json", "again:1");
    assert.deepEqual([again.own, sum], [0, { ...again, name: null }]);
  });
});

describe("berth image prune", () => {
  const digestName = (digest: string) => `docker.io/library/nobody@${digest}`;
  const removed =
    (room: RegExp, ...gone: string[]) =>
    async (ended: ReturnType<Berth>) => {
      const { code, stdout, stderr } = await ended;
      assert.deepEqual([code, stdout], [0, gone.map((name) => `${name}\n`).join("")], stderr);
      assert.match(stderr, room);
    };

  it("removes images without a name, with all that only they had", async () => {
    await loadBusybox();
    const blobs = new Blobs();
    const [image, kept] = [blobs.image([smallLayer("gone")]), blobs.image([smallLayer("kept")])];
    const id = `sha256:${"1".repeat(64)}`;
    await load(
      blobs,
      named(image, digestName(image.digest)),
      named(image, id),
      named(kept, NOBODY),
      named(kept, digestName(kept.digest)),
      named(kept, "odd"),
    );
    await removed(
      /^berth: 2 images removed, [\d.]+ KiB freed\n$/,
      digestName(image.digest),
      id,
    )(berth("image", "prune", "-f"));
    assert.deepEqual(await names(), [BUSYBOX, NOBODY, digestName(kept.digest), "odd"].sort());
    const digests = linesOf(await ctr("content", "ls", "-q"));
    assert.deepEqual([digests.includes(image.digest), digests.includes(kept.digest)], [false, true]);
    await removed(/^berth: 0 images removed, 0 B freed\n$/)(berth("image", "prune", "-f"));
  });

  it("with --all removes those that no container uses, by whatever name", async () => {
    await loadBusybox();
    await berth("tag", "busybox", "second:1");
    const blobs = new Blobs();
    await load(blobs, named(blobs.image([smallLayer()]), NOBODY));
    assert.equal((await berth("run", "-d", "--name", "user", "second:1", "sleep", "1000")).code, 0);
    await removed(/^berth: 1 image removed, /, NOBODY)(berth("image", "prune", "--all", "--force"));
    await berth("tag", "busybox", "third:1");
    await load(blobs, named(blobs.image([smallLayer("moved")]), "docker.io/library/second:1"));
    await removed(/^berth: 0 images removed, /)(berth("image", "prune", "--all", "--force"));
    await berth("rm", "-f", "user");
    const all = [BUSYBOX, "docker.io/library/second:1", "docker.io/library/third:1"];
    await removed(/^berth: 3 images removed, [\d.]+ MiB freed\n$/, ...all)(berth("image", "prune", "-af"));
    assert.equal(await ctr("content", "ls", "-q"), "");
    assert.deepEqual(linesOf(await ctr("snapshots", "ls")).slice(1), []);
  });

  it("does not count what another namespace has too", async () => {
    const other = await berthAt(berthd.address, `${testNamespace}-other`);
    for (const one of [berth, other]) await one("load", "-i", join(folder, "busybox.tar"));
    const [{ blobs, snapshots }] = await jsonOf("image", "usage", "--json", "busybox");
    const freed = async (one: Berth) => /(\S+) MiB freed/.exec((await one("image", "prune", "-af")).stderr)?.[1];
    const MiB = 1 << 20;
    assert.equal(await freed(berth), (snapshots / MiB).toFixed(2));
    assert.equal(await freed(other), ((blobs + snapshots) / MiB).toFixed(2));
  });

  it("asks at a terminal, and refuses where there is none", async () => {
    await loadBusybox();
    const refused = await berth("image", "prune", "--all");
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.match(refused.stderr, /^berth: stdin is no terminal to ask at: [^\n]*--force[^\n]*\n$/);
    for (const [answer, code] of [
      ["\r", 1],
      ["n\r", 1],
      ["\x04", 1],
      ["yes\r", 0],
    ] as const) {
      assert.deepEqual(await names(), [BUSYBOX]);
      const asking = await berthOnTerminal(berthd.address, ["image", "prune", "--all"]);
      await asking.expect("remove all images that no container uses? [y/N] ");
      asking.type(answer);
      await asking.expect(code === 0 ? "1 image removed" : "nothing was removed");
      assert.equal((await asking.exited).exitCode, code);
    }
    assert.deepEqual(await names(), []);
  });
});
