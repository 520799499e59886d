import assert from "node:assert/strict";
import { it } from "node:test";
import { scope, temporaryStore } from "./support.ts";

const exit = { pid: 7, status: 137, at: 1_700_000_000_123_456_789n, outOfMemory: true };
const spec = { typeUrl: "spec", value: new Uint8Array(0) };
const runtime = { name: "runtime", options: null };
const about = { labels: {}, image: "", runtime, spec, snapshotter: "", snapshotKey: "", extensions: {}, sandbox: "" };

it("keeps a container's exit until it is forgotten or the container goes, over a restart and updates", async () => {
  await using temporary = await temporaryStore();
  const other = { ...scope, namespace: "other" };
  for (const where of [scope, other]) temporary.store.containers.create(where, { id: "c", ...about });
  assert.equal(temporary.store.exits.get(scope, "c"), null);
  temporary.store.exits.keep(scope, "c", { ...exit, status: 1 });
  temporary.store.exits.keep(scope, "c", exit);
  const store = await temporary.reopen();
  store.containers.update(scope, { id: "c", ...about, labels: { a: "b" } }, ["labels"]);
  assert.deepEqual(store.exits.get(scope, "c"), exit);
  assert.equal(store.exits.get(other, "c"), null);
  store.exits.forget(scope, "c");
  assert.equal(store.exits.get(scope, "c"), null);
  for (const where of [scope, other]) store.exits.keep(where, "c", exit);
  store.containers.delete(scope, "c");
  store.containers.create(scope, { id: "c", ...about });
  assert.equal(store.exits.get(scope, "c"), null, "that of another container of this name");
  assert.deepEqual(store.exits.get(other, "c"), exit);
});

it("keeps no exit of a container that is not there", async () => {
  await using temporary = await temporaryStore();
  temporary.store.exits.keep(scope, "none", exit);
  assert.equal(temporary.store.exits.get(scope, "none"), null);
});
