// What the store tells of what has changed.
import assert from "node:assert/strict";
import { it } from "node:test";
import type { Change } from "@berth/store";
import { scope, temporaryStore } from "./support.ts";

const target = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: `sha256:${"a".repeat(64)}`, size: 1 };
const image = (name: string) => ({ name, labels: {}, target: { ...target, annotations: {} } });

it("is told once it is durable, in order, and never where it was taken back", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const told: Change[] = [];
  using _listening = store.onChange((change) => told.push(change));
  const kinds = () => told.splice(0).map((change) => change.kind);

  assert.throws(() =>
    store.transaction(() => {
      store.images.create(scope, image("a"));
      throw new Error("taken back");
    }),
  );
  assert.deepEqual(kinds(), []);

  store.transaction(() => {
    store.images.create(scope, image("a"));
    assert.deepEqual(kinds(), [], "not before the commit");
    assert.throws(() =>
      store.transaction(() => {
        store.images.delete(scope, "a");
        throw new Error("this part alone");
      }),
    );
    store.images.update(scope, { ...image("a"), labels: { x: "1" } }, ["labels"]);
  });
  assert.deepEqual(kinds(), ["image-created", "image-updated"]);
});

it("is what a collection removes, as what a caller removes", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const snapshots = store.snapshotter("native");
  await snapshots.prepare(scope, "one", "", {});
  await snapshots.prepare(scope, "two", "", { "containerd.io/gc.root": "1" });
  const told: Change[] = [];
  using _listening = store.onChange((change) => told.push(change));
  await store.collector.collect();
  await snapshots.remove(scope, "two");
  const { namespace } = scope;
  assert.deepEqual(told, [
    { kind: "snapshot-removed", namespace, snapshotter: "native", key: "one" },
    { kind: "snapshot-removed", namespace, snapshotter: "native", key: "two" },
  ]);
});

it("is not told any more to who has stopped listening", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const told: Change[] = [];
  store.onChange((change) => told.push(change))[Symbol.dispose]();
  store.namespaces.create({ name: "other", labels: {} });
  assert.deepEqual(told, []);
});
