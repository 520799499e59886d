// Runs in a mount namespace of its own, with a small disk in argv[2] that something else fills whenever it can.
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { kindOf, messageOf, silent, systemClock } from "@berth/base";
import { openStore, type Store } from "@berth/store";
import { fillDisk } from "../support/fill-disk.ts";

const [, , disk = ""] = process.argv;
const root = join(disk, "root");
const scope = { namespace: "full", lease: "" };
const COUNT = 40;
const hog = join(disk, "hog");

const takeAll = (): void => fillDisk(hog);

const open = (): Promise<Store> =>
  openStore({ root, clock: systemClock, log: silent, gc: { startupDelayMs: 1e9, mutationThreshold: 0 } });

const record = (id: string) => ({
  id,
  labels: { padding: "x".repeat(2000) },
  image: "i",
  runtime: { name: "r", options: null },
  spec: { typeUrl: "t", value: new Uint8Array(6000) },
  snapshotter: "native",
  snapshotKey: id,
  extensions: {},
  sandbox: "",
});
const target = { mediaType: "m", digest: `sha256:${"0".repeat(64)}`, size: 1, annotations: {} };
const ids = Array.from({ length: COUNT }, (_, at) => `c${at}`);

let store = await open();
for (const id of ids) {
  await store.snapshotter("native").prepare(scope, id, "", {});
  store.containers.create(scope, record(id));
  store.images.create(scope, { name: id, labels: {}, target });
  store.leases.create(scope.namespace, { id, labels: {} });
  await using writer = await store.content.writer({ ...scope, lease: id }, { ref: id, total: 0, expected: "" });
  await writer.write(Buffer.from(id));
  if (id !== "c0") await writer.commit({ size: 0, expected: "", labels: {} });
}
// Pages that the log has and the database has not.
const late = record("late");
store.containers.create(scope, { ...late, snapshotKey: "", spec: { ...late.spec, value: new Uint8Array(60_000) } });

takeAll();
await store.close();
takeAll();
store = await open();

// What adds is refused, by the name of the directory.
const native = store.snapshotter("native");
const additions: Record<string, () => unknown> = {
  container: () => store.containers.create(scope, record("new")),
  image: () => store.images.create(scope, { name: "new", labels: {}, target }),
  lease: () => store.leases.create(scope.namespace, { id: "new", labels: {} }),
  snapshot: () => native.prepare(scope, "new", "", {}),
  labels: () => native.update(scope, { name: "c1", labels: { a: "b" } }, ["labels.a"]),
  blob: () => store.content.writer(scope, { ref: "new", total: 0, expected: "" }),
};
for (const [what, add] of Object.entries(additions)) {
  await assert.rejects(
    async () => add(),
    (error) => {
      assert.equal(kindOf(error), "resource-exhausted", `${what}: ${messageOf(error)}`);
      assert.ok(messageOf(error).startsWith(`no space left on the disk of ${root} `), messageOf(error));
      return true;
    },
  );
}

// What frees goes on, though what is freed is taken away at once.
for (const id of ids) {
  takeAll();
  store.transaction(() => {
    store.containers.delete(scope, id);
    native.drop(scope, id);
  }, "frees");
  takeAll();
  store.images.delete(scope, id);
  if (id === "c0") await store.content.abort({ ...scope, lease: id }, id);
  takeAll();
  store.leases.delete(scope.namespace, id);
  if (Number(id.slice(1)) % 10 === 9) {
    takeAll();
    await store.collector.collect();
  }
}
takeAll();
store.containers.delete(scope, "late");
const blobs = join(root, "io.containerd.content.v1.content/blobs/sha256");
assert.deepEqual(readdirSync(blobs), []);
assert.deepEqual(readdirSync(join(root, "io.containerd.snapshotter.v1.native/snapshots")), []);
assert.deepEqual(store.containers.list(scope, []), []);

rmSync(hog);
await store.snapshotter("native").prepare(scope, "after", "", {});
await store.close();
process.stdout.write("survived\n");
