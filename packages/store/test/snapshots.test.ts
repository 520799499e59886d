import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { silent, systemClock } from "@berth/base";
import { openStore } from "@berth/store";
import { fails, scope, temporaryStore } from "./support.ts";

const ANY = { typeUrl: "x", value: new Uint8Array(0) };
const container = (id: string, snapshotter: string, snapshotKey: string) => ({
  id,
  labels: {},
  image: "",
  runtime: { name: "r", options: null },
  spec: ANY,
  snapshotter,
  snapshotKey,
  extensions: {},
  sandbox: "",
});

it("a native snapshot is a copy of its parent, and a view is its parent itself", async () => {
  await using temporary = await temporaryStore();
  const native = temporary.store.snapshotter("native");
  const [base] = await native.prepare(scope, "a", "", {});
  mkdirSync(join(base?.source ?? "", "dir"));
  writeFileSync(join(base?.source ?? "", "dir/file"), "one");
  await native.commit(scope, "c", "a", {});
  const [copy] = await native.prepare(scope, "b", "c", {});
  writeFileSync(join(copy?.source ?? "", "dir/file"), "two");
  const [view] = await native.view(scope, "v", "c", {});
  assert.equal(readFileSync(join(view?.source ?? "", "dir/file"), "utf8"), "one");
  assert.deepEqual(native.directories(scope, "b"), [copy?.source]);
  assert.deepEqual(native.directories(scope, "v"), native.directories(scope, "c"));
});

it("usage counts what is allocated, and a hard link once", async () => {
  await using temporary = await temporaryStore();
  const native = temporary.store.snapshotter("native");
  const [{ source = "" } = {}] = await native.prepare(scope, "a", "", {});
  const before = await native.usage(scope, "a");
  writeFileSync(join(source, "file"), Buffer.alloc(100_000, 1));
  linkSync(join(source, "file"), join(source, "link"));
  const after = await native.usage(scope, "a");
  assert.equal(after.inodes, before.inodes + 1);
  assert.ok(after.size - before.size >= 100_000 && after.size - before.size < 200_000);
  await native.commit(scope, "c", "a", {});
  assert.deepEqual(await native.usage(scope, "c"), after);
});

it("a staged snapshot is recorded with its container, or not at all", async () => {
  await using temporary = await temporaryStore();
  const { store, root } = temporary;
  const native = store.snapshotter("native");
  const directories = () => readdirSync(join(root, "io.containerd.snapshotter.v1.native/snapshots"));
  {
    await using staged = await native.stage(scope, { kind: "active", key: "k", parent: "", labels: {} });
    await fails(
      () =>
        store.transaction(() => {
          staged.commit();
          store.containers.create(scope, container("not/valid", "native", "k"));
        }),
      "invalid-argument",
    );
    assert.equal(directories().length, 1);
  }
  await fails(() => native.stat(scope, "k"), "not-found");
  assert.deepEqual(directories(), []);
  await using staged = await native.stage(scope, { kind: "active", key: "k", parent: "", labels: {} });
  const mounts = store.transaction(() => {
    store.containers.create(scope, container("c", "native", "k"));
    return staged.commit();
  });
  assert.ok(existsSync(mounts[0]?.source ?? ""));
  assert.equal(store.containers.get(scope, "c").snapshotKey, "k");
});

it("of two that prepare the same key at once one wins, and the other leaves nothing", async () => {
  await using temporary = await temporaryStore();
  const native = temporary.store.snapshotter("native");
  const both = await Promise.allSettled([1, 2].map(() => native.prepare(scope, "k", "", {})));
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const directory = dirname(native.directories(scope, "k")[0] ?? "");
  assert.equal(readdirSync(directory).length, 1);
});

it("directories that nothing explains are put aside when the store is opened, and numbers are not used again", async () => {
  await using temporary = await temporaryStore();
  const native = temporary.store.snapshotter("native");
  await native.prepare(scope, "kept", "", {});
  const directory = dirname(native.directories(scope, "kept")[0] ?? "");
  mkdirSync(join(directory, "77/deep"), { recursive: true });
  const again = (await temporary.reopen()).snapshotter("native");
  assert.deepEqual(readdirSync(directory), ["1"]);
  await again.remove(scope, "kept");
  await again.prepare(scope, "next", "", {});
  assert.notEqual(readdirSync(directory)[0], "1");
});

it("a nested transaction that fails takes only its own changes with it", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  store.transaction(() => {
    store.containers.create(scope, container("outer", "", ""));
    assert.throws(() =>
      store.transaction(() => {
        store.containers.create(scope, container("inner", "", ""));
        throw new Error("no");
      }),
    );
  });
  assert.deepEqual(
    store.containers.list(scope, []).map(({ id }) => id),
    ["outer"],
  );
});

it("a second process is told that the root is in use", async () => {
  await using temporary = await temporaryStore();
  await fails(() => openStore({ root: temporary.root, clock: systemClock, log: silent }), "unavailable", "in use");
});
