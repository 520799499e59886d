// Whiteouts hide what the layers below have, and nothing of their own layer, wherever they stand in it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { emptyMember, encodeTarHeader } from "@berth/base";
import { chainIds } from "@berth/images";
import { createRandom, type Random } from "../fuzz/random.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { busyboxEntries, makeTar, type TarEntry, writeBusyboxImage } from "../support/image.ts";
import { bindMount, buildUnpack, listTar, type Mount, makeWorkplace, type Workplace } from "./harness.ts";
import { createLayerModel, linesOfTar } from "./layer-model.ts";

const root = process.getuid?.() === 0;
const program = root ? await buildUnpack() : "";

const file = (path: string, content = ""): TarEntry => ({ path, content });
const directory = (path: string, mode = 0o755): TarEntry => ({ path, type: "directory", mode });
const link = (path: string, target: string): TarEntry => ({ path, type: "symlink", link: target });

/** The tree that mounts show, as lines. */
function shown(place: Workplace, mounts: readonly Mount[]): string[] {
  const { status, stdout, answer } = place.diff([], mounts);
  assert.equal(status, 0, JSON.stringify(answer));
  return linesOfTar(stdout);
}

/** Both ways that snapshotters have: a copy of the layer below, and an overlay upon it. Lower is in `place.root`. */
function snapshots(place: Workplace, name: string): (readonly [kind: string, mounts: readonly Mount[]])[] {
  const copy = join(place.dir, `${name}-copy`);
  execFileSync("cp", ["-a", place.root, copy]);
  return [
    ["copy", [bindMount(copy)]],
    ["overlay", place.overlay(name)],
  ];
}

interface Case {
  readonly title: string;
  readonly lower: readonly TarEntry[];
  readonly layer: readonly TarEntry[];
  /** Names in the tree afterwards. */
  readonly names: readonly string[];
}

const d = [directory("d"), file("d/old"), directory("d/sub", 0o700), file("d/sub/old")];
const cases: readonly Case[] = [
  {
    title: "an opaque marker spares what stands before it in directories that are only implied",
    lower: d,
    layer: [file("d/sub/new"), file("d/.wh..wh..opq")],
    names: ["d", "d/sub", "d/sub/new"],
  },
  {
    title: "a whiteout spares its own layer's file, and hides that of the lower one",
    lower: [file("x", "lower")],
    layer: [file("x", "own"), file(".wh.x")],
    names: ["x"],
  },
  {
    title: "a whiteout of a directory spares what its own layer has in it",
    lower: d,
    layer: [file("d/sub/new"), file("d/new"), file(".wh.d")],
    names: ["d", "d/new", "d/sub", "d/sub/new"],
  },
  {
    title: "a whiteout of a directory before its new content leaves nothing of the old",
    lower: d,
    layer: [file(".wh.d"), file("d/sub/new")],
    names: ["d", "d/sub", "d/sub/new"],
  },
  {
    title: "a directory that its own layer describes again stays, empty",
    lower: d,
    layer: [directory("d/sub"), file("d/.wh.sub")],
    names: ["d", "d/old", "d/sub"],
  },
  {
    title: "an opaque root hides all that is below",
    lower: d,
    layer: [file("d/sub/new"), file(".wh..wh..opq"), file("top")],
    names: ["d", "d/sub", "d/sub/new", "top"],
  },
  {
    title: "what was written through a link is spared behind its directory's own name",
    lower: [...d, link("l", "d/sub"), link("abs", "/d")],
    layer: [file("l/new"), file("abs/.wh..wh..opq"), file("d/sub/.wh.old")],
    names: ["abs", "d", "d/sub", "d/sub/new", "l"],
  },
  {
    title: "what was written under its own name is spared behind a link",
    lower: [...d, link("l", "d")],
    layer: [file("d/sub/new"), file("l/.wh.sub")],
    names: ["d", "d/old", "d/sub", "d/sub/new", "l"],
  },
  {
    title: "a whiteout of a link hides the link",
    lower: [...d, link("l", "d")],
    layer: [file("l/new"), file(".wh.l")],
    names: ["d", "d/new", "d/old", "d/sub", "d/sub/old"],
  },
  {
    title: "a file in the place of a directory hides all of it, whatever whiteouts follow",
    lower: d,
    layer: [file("d", "a file"), file(".wh.d")],
    names: ["d"],
  },
  {
    title: "a whiteout of nothing makes its directory, as containerd's does",
    lower: d,
    layer: [file("e/f/.wh.none")],
    names: ["d", "d/old", "d/sub", "d/sub/old", "e", "e/f"],
  },
];

describe("a whiteout", { skip: root ? false : "needs root" }, () => {
  for (const { title, lower, layer, names } of cases)
    it(title, () => {
      using place = makeWorkplace(program);
      assert.equal(place.apply(makeTar(lower)).status, 0);
      const model = createLayerModel();
      assert.ok(model.apply(lower) && model.apply(layer));
      for (const [kind, mounts] of snapshots(place, "case")) {
        const { status, answer } = place.apply(makeTar(layer), mounts);
        assert.equal(status, 0, `${kind}: ${JSON.stringify(answer)}`);
        const lines = shown(place, mounts);
        assert.deepEqual(
          lines.map((line) => line.split(" ")[0]),
          names,
          kind,
        );
        assert.deepEqual(lines, model.lines(), kind);
      }
    });

  it("in a first layer hides nothing", () => {
    using place = makeWorkplace(program);
    const layer = [file("x", "own"), file(".wh.x"), file("d/y"), file("d/.wh..wh..opq"), file(".wh.d")];
    assert.equal(place.apply(makeTar(layer)).status, 0);
    assert.deepEqual(shown(place, place.bind), ["d directory 755 ", "d/y file 644 ", "x file 644 own"]);
  });

  it("takes the lower layer's attributes from a directory that stays", () => {
    using place = makeWorkplace(program);
    const xattrs = new Map([["user.lower", Buffer.from("1")]]);
    const lower = encodeTarHeader({ ...emptyMember, name: "d/", type: "directory", mode: 0o700, uid: 7, xattrs });
    assert.equal(place.apply(lower).status, 0);
    assert.ok(place.diff([], place.bind).stdout.includes("user.lower"));
    for (const [kind, mounts] of snapshots(place, "attributes")) {
      assert.equal(place.apply(makeTar([file("d/new"), file(".wh.d")]), mounts).status, 0);
      const { stdout } = place.diff([], mounts);
      assert.ok(!stdout.includes("user.lower"), kind);
      assert.match(listTar(stdout)[0] ?? "", /^drwxr-xr-x +0\/0 /, kind);
    }
  });

  it("cannot be a file's own name in what a diff makes", () => {
    using place = makeWorkplace(program);
    writeFileSync(join(place.root, ".wh.passwd"), "");
    const { status, answer } = place.diff([], place.bind);
    assert.equal(status, 1);
    assert.equal(answer.kind, "failed-precondition");
    assert.match(String(answer.message), /^"\.wh\.passwd" begins with \.wh\., which no file of a layer can/);
  });
});

const names = ["a", "b", "c"];

function pathOf(random: Random): string {
  return Array.from({ length: random.int(1, 3) }, () => random.pick([...names, "l", "m"])).join("/");
}

/** Members whose order nobody has thought about. */
function randomLayer(random: Random, whiteouts: boolean, links: boolean): TarEntry[] {
  return Array.from({ length: random.int(2, 9) }, (_, position) => {
    const path = pathOf(random);
    const above = path.slice(0, path.lastIndexOf("/") + 1);
    const base = path.slice(above.length);
    if (whiteouts && random.chance(0.5)) return file(`${above}.wh.${random.pick([base, base, ".wh..opq"])}`);
    if (links && random.chance(0.15)) return link(path, random.pick(["a", "/b", "../c", "b/c", "..", "l"]));
    return random.chance(0.4)
      ? directory(path, random.pick([0o700, 0o755, 0o711]))
      : file(path, `${position} ${random.int(0, 99)}`);
  });
}

/** Whether the members could be in any order: none is in the place of, or below, another that is no directory. */
function commute(members: readonly TarEntry[]): boolean {
  const described = members.filter(({ path }) => !path.includes(".wh."));
  return described.every(({ path, type }, position) =>
    members.every(
      (other, at) =>
        at === position || (other.path !== path && (type === "directory" || !other.path.startsWith(`${path}/`))),
    ),
  );
}

const SEEDS = [1_000, 2_000, 3_000];
const ROUNDS = 20;

describe("random layers", { skip: root ? false : "needs root" }, () => {
  for (const start of SEEDS)
    it(`come to what the model says, and through a diff to the same (seeds from ${start})`, () => {
      let applied = 0;
      for (let seed = start; seed < start + ROUNDS; seed++) {
        const random = createRandom(seed);
        const lower = randomLayer(random, false, true);
        const layer = randomLayer(random, true, true);
        const model = createLayerModel();
        if (!model.apply(lower)) continue;
        using place = makeWorkplace(program);
        const told = `seed ${seed}: ${JSON.stringify({ lower, layer })}`;
        assert.equal(place.apply(makeTar(lower)).status, 0, told);
        assert.deepEqual(shown(place, place.bind), model.lines(), told);
        const fits = model.apply(layer);
        const again = snapshots(place, "again");
        for (const [position, [kind, mounts]] of snapshots(place, "once").entries()) {
          const { status, answer } = place.apply(makeTar(layer), mounts);
          assert.equal(status, fits ? 0 : 1, `${told}: ${kind}: ${JSON.stringify(answer)}`);
          if (!fits) continue;
          applied++;
          assert.deepEqual(shown(place, mounts), model.lines(), `${told}: ${kind}`);
          const { stdout } = place.diff(place.bind, mounts);
          const [, other] = again[1 - position] ?? ["", []];
          assert.equal(place.apply(stdout, other).status, 0, told);
          assert.deepEqual(shown(place, other), model.lines(), `${told}: ${kind}, through a diff`);
        }
      }
      assert.ok(applied > ROUNDS / 2, `${applied} layers were applied`);
    });

  it("come to the same wherever their whiteouts stand", () => {
    let compared = 0;
    for (let seed = 9_000; compared < 20; seed++) {
      const random = createRandom(seed);
      const lower = randomLayer(random, false, false);
      const layer = randomLayer(random, true, false);
      if (!createLayerModel().apply(lower) || !commute(layer)) continue;
      using place = makeWorkplace(program);
      assert.equal(place.apply(makeTar(lower)).status, 0);
      const results = [layer, [...layer].reverse(), byWhiteout(layer)].map((members, order) => {
        const copy = join(place.dir, `order-${order}`);
        mkdirSync(copy);
        assert.equal(place.apply(makeTar(lower), [bindMount(copy)]).status, 0);
        const { status } = place.apply(makeTar(members), [bindMount(copy)]);
        return status === 0 ? shown(place, [bindMount(copy)]) : status;
      });
      if (results.includes(1)) continue;
      assert.deepEqual(results[1], results[0], `seed ${seed}: ${JSON.stringify({ lower, layer })}`);
      assert.deepEqual(results[2], results[0], `seed ${seed}: ${JSON.stringify({ lower, layer })}`);
      compared++;
    }
  });
});

const byWhiteout = (members: readonly TarEntry[]): TarEntry[] =>
  [...members].sort((a, b) => Number(b.path.includes(".wh.")) - Number(a.path.includes(".wh.")));

/**
 * A layer on which containerd's two ways of applying agree: no entry is hidden and made in one layer. (Of those, its
 * overlay refuses or merges, and its copy removes the layer's own.)
 */
function ordinaryLayer(random: Random): TarEntry[] {
  for (;;) {
    const layer = byWhiteout(randomLayer(random, true, false)).filter(({ path }) => !/(^|\/)[lm](\/|$)/.test(path));
    const hidden = layer.flatMap(({ path }) => (path.includes(".wh.") ? [path.replace(/\.wh\.(?!\.)/, "")] : []));
    const clashes = layer.some(({ path }) => hidden.some((gone) => `${path}/`.startsWith(`${gone}/`)));
    const distinct = new Set(layer.map(({ path }) => path)).size === layer.length;
    if (layer.length > 0 && distinct && !clashes && commute(layer)) return layer;
  }
}

describe("ordinary layers", { skip: hasContainerd() && root ? false : "needs containerd and root" }, () => {
  it("come to the same in containerd's copies and overlays, and in ours", async () => {
    const random = createRandom(77);
    const base = busyboxEntries();
    const model = createLayerModel();
    assert.ok(model.apply(base));
    const layers: TarEntry[][] = [];
    while (layers.length < 25) {
      const layer = ordinaryLayer(random);
      // A file in the way of a directory: refused by all, which would end the chain.
      const trial = createLayerModel();
      if ([base, ...layers, layer].every((each) => trial.apply(each))) layers.push(layer);
    }
    for (const layer of layers) assert.ok(model.apply(layer));

    using place = makeWorkplace(program);
    assert.equal(place.apply(makeTar(base)).status, 0);
    for (const [position, layer] of layers.entries())
      assert.equal(place.apply(makeTar(layer)).status, 0, `layer ${position}: ${JSON.stringify(layer)}`);
    const ours = shown(place, place.bind);

    await using containerd = await startContainerd();
    const archive = join(place.dir, "image.tar");
    const name = "docker.io/library/whiteouts:test";
    const { diffIds } = writeBusyboxImage(archive, { format: "oci", name, extraLayers: layers });
    for (const snapshotter of ["overlayfs", "native"]) {
      await containerd.ctr("images", "import", "--snapshotter", snapshotter, archive);
      const chain = chainIds(diffIds).pop() ?? "";
      await containerd.ctr("snapshots", "--snapshotter", snapshotter, "prepare", "look", chain);
      const line = await containerd.ctr("snapshots", "--snapshotter", snapshotter, "mounts", "/target", "look");
      const match = /mount -t (\S+) (\S+) \/target -o (\S+)/.exec(line);
      assert.ok(match, line);
      const [, type = "", source = "", options = ""] = match;
      assert.deepEqual(shown(place, [{ type, source, target: "", options: options.split(",") }]), ours, snapshotter);
    }
    assert.ok(ours.join() === model.lines().join(), "as the model has it");
  });
});
