// What is rebuilt when the database is lost, and what is said of the rest.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { silent, systemClock } from "@berth/base";
import { endRecovery, openStore, recoverStore, type Store } from "@berth/store";
import { fails, put, scope } from "../../packages/store/test/support.ts";

const DATABASE = "io.berth.metadata.v1.sqlite/meta.db";
const top = mkdtempSync(join(tmpdir(), "berth-recover-"));
process.once("exit", () => rmSync(top, { recursive: true, force: true }));
let next = 0;

interface Place {
  readonly root: string;
  readonly state: string;
}
const place = (): Place => {
  const at = join(top, String(next++));
  return { root: join(at, "root"), state: join(at, "state") };
};
const open = (at: Place): Promise<Store> =>
  openStore({ ...at, clock: systemClock, log: silent, gc: { startupDelayMs: 1e9, mutationThreshold: 0 } });

async function recover(at: Place): Promise<string[]> {
  const said: string[] = [];
  await recoverStore({ ...at, others: [] }, { clock: systemClock, log: silent, tell: (line) => void said.push(line) });
  endRecovery(at.root);
  return said;
}

const container = {
  id: "web",
  labels: { a: "b" },
  image: "docker.io/library/x:1",
  runtime: { name: "io.containerd.runc.v2", options: { typeUrl: "t", value: new Uint8Array([1, 2]) } },
  spec: { typeUrl: "s", value: Buffer.from('{"ociVersion":"1.1.0"}') },
  snapshotter: "native",
  snapshotKey: "web",
  extensions: { x: { typeUrl: "e", value: new Uint8Array([3]) } },
  sandbox: "",
};

async function fill(store: Store): Promise<string> {
  const digest = await put(store, "layer", { "containerd.io/gc.root": "yes" });
  const native = store.snapshotter("native");
  await native.prepare(scope, "extract", "", { "containerd.io/gc.root": "x" });
  await native.commit(scope, "base", "extract", {});
  await native.prepare(scope, "web", "base", { l: "1" });
  store.containers.create(scope, container);
  store.images.create(scope, {
    name: "docker.io/library/x:1",
    labels: { of: "image" },
    target: { mediaType: "m", digest, size: 5, annotations: { n: "o" } },
  });
  store.namespaces.update({ name: "test", labels: { owner: "me" } }, []);
  return digest;
}

const allOf = (store: Store) => ({
  containers: store.containers.list(scope, []),
  images: store.images.list(scope, []),
  snapshots: store.snapshotter("native").list(scope, []),
  namespaces: store.namespaces.list(),
  blobs: store.content.list(scope, []).map(({ digest, size }) => ({ digest, size })),
});

for (const [what, lose, said] of [
  ["missing", (path: string) => rmSync(path), /^the database is missing/],
  ["gone with its folder", (path: string) => rmSync(dirname(path), { recursive: true }), /^the database is missing/],
  [
    "something else",
    (path: string) => writeFileSync(path, "x".repeat(9000)),
    /^the database cannot be used \(file is not a database\)/,
  ],
  ["truncated", (path: string) => truncateSync(path, 20_000), /^the database cannot be used/],
] as const)
  it(`a database that is ${what} is rebuilt, with every record that has a copy`, async () => {
    const at = place();
    const first = await open(at);
    await fill(first);
    const before = allOf(first);
    await first.close();
    lose(join(at.root, DATABASE));
    await fails(() => open(at), "data-loss", "berthd recover");
    assert.match((await recover(at))[0] ?? "", said);
    await using again = await open(at);
    assert.deepEqual(allOf(again), before);
    // Nothing of it is taken by the collector before somebody has looked at it.
    await again.collector.collect();
    assert.deepEqual(allOf(again), before);
    const numbers = () => readdirSync(join(at.root, "io.containerd.snapshotter.v1.native/snapshots"));
    const used = numbers();
    await again.snapshotter("native").prepare(scope, "new", "", {});
    assert.equal(numbers().length, used.length + 1, "a number is not used again");
  });

it("a database that is too old gets what came since, and loses what went since", async () => {
  const at = place();
  const first = await open(at);
  await fill(first);
  await first.snapshotter("native").prepare(scope, "leaves", "", {});
  addContainer(first, "leaves");
  await first.close();
  const old = readFileSync(join(at.root, DATABASE));
  const later = await open(at);
  later.transaction(() => {
    later.containers.delete(scope, "leaves");
    later.snapshotter("native").drop(scope, "leaves");
  });
  await later.snapshotter("native").prepare(scope, "comes", "base", {});
  addContainer(later, "comes");
  await put(later, "new layer", { "containerd.io/gc.root": "yes" });
  const before = allOf(later);
  await later.close();
  writeFileSync(join(at.root, DATABASE), old);
  await fails(() => open(at), "data-loss", "is older than it was");
  assert.match((await recover(at))[0] ?? "", /^the database is whole and goes on to be used/);
  await using again = await open(at);
  const after = allOf(again);
  assert.deepEqual(
    after.containers.map(({ id }) => id),
    before.containers.map(({ id }) => id),
  );
  assert.deepEqual(after.snapshots, before.snapshots);
  assert.deepEqual(after.blobs, before.blobs);
});

function addContainer(store: Store, id: string): void {
  store.containers.create(scope, { ...container, id, snapshotKey: id });
}

it("what the disk does not allow is said, and left where it is", async () => {
  const at = place();
  const first = await open(at);
  const digest = await fill(first);
  const blob = await first.content.path(scope, digest);
  await first.close();
  rmSync(join(at.root, DATABASE));
  chmodSync(blob, 0o600);
  writeFileSync(blob, "flipp");
  const copies = join(at.root, "io.berth.copies.v1");
  for (const name of readdirSync(join(copies, "containers"))) truncateSync(join(copies, "containers", name), 10);
  const snapshots = join(at.root, "io.containerd.snapshotter.v1.native/snapshots");
  const [lowest = ""] = readdirSync(snapshots).sort((a, b) => Number(a) - Number(b));
  rmSync(join(snapshots, lowest), { recursive: true });
  const said = (await recover(at)).join("\n");
  assert.match(said, /not rebuilt: 1 blobs whose bytes are not those of their digest/);
  assert.match(said, /not rebuilt: 2 snapshots: base \(its directory is missing\), web \(its parent is missing\)/);
  assert.match(said, /not rebuilt: 1 images: test\/docker\.io\/library\/x:1 \(its manifest is missing\)/);
  assert.match(said, /not rebuilt: 1 containers whose copies cannot be read/);
  assert.equal(readFileSync(blob, "utf8"), "flipp");
  await (await open(at)).close();
});

it("what a start has put aside is taken back", async () => {
  const at = place();
  const first = await open(at);
  await fill(first);
  const before = allOf(first);
  await first.close();
  // A database of this root without its rows, as after a mistake by hand that nothing can tell.
  const empty = place();
  await (await open(empty)).close();
  const aside = join(at.root, "io.berth.quarantine.v1/20300101T000000.000Z");
  mkdirSync(join(aside, "snapshots"), { recursive: true });
  const content = join(at.root, "io.containerd.content.v1.content/blobs/sha256");
  const snapshots = join(at.root, "io.containerd.snapshotter.v1.native/snapshots");
  cpSync(content, join(aside, "blobs"), { recursive: true });
  // Somebody has put files among it.
  writeFileSync(join(aside, "snapshots/file"), "");
  mkdirSync(join(at.root, "io.berth.quarantine.v1/20300101T000001.000Z"));
  for (const name of ["20300101T000002.000Z", "20300101T000001.000Z/blobs"])
    writeFileSync(join(at.root, "io.berth.quarantine.v1", name), "");
  cpSync(snapshots, join(aside, "snapshots/native"), { recursive: true });
  for (const directory of [content, snapshots])
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
  rmSync(join(at.root, DATABASE));
  assert.match((await recover(at)).join("\n"), /3 blobs and snapshots taken back/);
  await using again = await open(at);
  assert.deepEqual(allOf(again), before);
});

it("a root that is somebody else's is not rebuilt, nor one whose state directory is another's", async () => {
  const at = place();
  mkdirSync(join(at.root, "io.containerd.metadata.v1.bolt"), { recursive: true });
  await fails(() => recover(at), "failed-precondition", "looks like containerd's");
  const [one, two] = [place(), place()];
  for (const each of [one, two]) await (await open(each)).close();
  await fails(() => recover({ root: one.root, state: two.state }), "failed-precondition", "belongs to another berth");
});

it("a root that is lost as a whole is begun again as the one that its state directory belongs to", async () => {
  const at = place();
  await (await open(at)).close();
  rmSync(at.root, { recursive: true });
  await fails(() => open(at), "failed-precondition", "belongs to another berth");
  await recover(at);
  await (await open(at)).close();
});

it("one that is in use is not touched", async () => {
  const at = place();
  {
    await using _store = await open(at);
    await fails(() => recover(at), "unavailable", "in use");
  }
  await (await open(at)).close();
});

it("a root whose recovery was cut short is refused until it has come to its end", async () => {
  const at = place();
  const first = await open(at);
  await fill(first);
  const before = allOf(first);
  await first.close();
  rmSync(join(at.root, DATABASE));
  const cut = recoverStore(
    { ...at, others: [] },
    {
      clock: systemClock,
      log: silent,
      tell(line) {
        if (/blobs rebuilt/.test(line)) throw new Error("cut short");
      },
    },
  );
  await assert.rejects(cut, /cut short/);
  await fails(() => open(at), "data-loss", "run `berthd recover` to its end");
  await recover(at);
  await using again = await open(at);
  assert.deepEqual(allOf(again), before);
});

it("what is no blob and no copy is passed over, and never waited for", async () => {
  const at = place();
  const first = await open(at);
  await fill(first);
  await first.close();
  rmSync(join(at.root, DATABASE));
  const plant = (directory: string, end: string) => {
    const path = (letter: string) => join(directory, letter.repeat(64 - end.length) + end);
    symlinkSync("/dev/zero", path("a"));
    symlinkSync("nowhere", path("b"));
    mkdirSync(path("c"));
    execFileSync("mkfifo", [path("d")]);
  };
  plant(join(at.root, "io.containerd.content.v1.content/blobs/sha256"), "");
  const copies = join(at.root, "io.berth.copies.v1");
  plant(join(copies, "images"), ".json");
  const rows = ["null", "3", "[]", "{}", '{"namespace":"../..","id":"x"}', '{"namespace":"test","id":"y"}'];
  for (const [i, row] of rows.entries()) writeFileSync(join(copies, `containers/planted${i}.json`), row);
  const said = (await recover(at)).join("\n");
  assert.match(said, /not rebuilt: 4 blobs whose bytes are not those of their digest/);
  assert.match(said, /not rebuilt: 4 images whose copies cannot be read/);
  assert.match(said, /not rebuilt: 4 containers whose copies cannot be read/);
  assert.match(said, /not rebuilt: 2 containers: (.* and |.*, )?[^\n]*x \(its namespace is not a name\)/);
  assert.match(said, /test\/y \(its copy is damaged: /);
  await using again = await open(at);
  assert.deepEqual(
    again.containers.list(scope, []).map(({ id }) => id),
    ["web"],
  );
});
