import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { it } from "node:test";
import { migrations } from "../src/schema.ts";
import { digestOf, put, scope, temporaryStore } from "./support.ts";

const AT = 1_700_000_000_123_456_789n;
const LATER = AT + 1n;

it("keeps times to the nanosecond", async () => {
  let now = AT;
  await using temporary = await temporaryStore({ clock: { now: () => now } });
  const { containers, images, content, leases } = temporary.store;
  const digest = await put(temporary.store, "hello");
  const target = { mediaType: "text/plain", digest, size: 5, annotations: {} };
  images.create(scope, { name: "image", labels: {}, target });
  const spec = { typeUrl: "spec", value: new Uint8Array(0) };
  const runtime = { name: "runtime", options: null };
  const about = { labels: {}, image: "", runtime, spec, snapshotter: "", snapshotKey: "", extensions: {}, sandbox: "" };
  containers.create(scope, { id: "container", ...about });
  leases.create(scope.namespace, { id: "lease", labels: {} });
  const native = temporary.store.snapshotter("native");
  await native.prepare(scope, "snapshot", "", {});
  await using ingest = await content.writer(scope, { ref: "ingest", total: 0, expected: "" });
  assert.equal(content.status(scope, "ingest").startedAt, AT);
  now = LATER;
  await ingest.write(Buffer.from("x"));
  assert.equal(content.status(scope, "ingest").updatedAt, LATER);
  assert.equal(ingest.status().updatedAt, LATER);
  await ingest.close();
  images.update(scope, { name: "image", labels: { a: "b" }, target }, ["labels"]);
  native.update(scope, { name: "snapshot", labels: { a: "b" } }, ["labels"]);
  content.update(scope, { digest, labels: { a: "b" } }, ["labels"]);

  const store = await temporary.reopen();
  const times = ({ createdAt, updatedAt }: { createdAt: bigint; updatedAt: bigint }) => [createdAt, updatedAt];
  assert.deepEqual(times(store.containers.get(scope, "container")), [AT, AT]);
  assert.deepEqual(times(store.images.get(scope, "image")), [AT, LATER]);
  assert.deepEqual(times(store.snapshotter("native").stat(scope, "snapshot")), [AT, LATER]);
  assert.deepEqual(times(store.content.info(scope, digest)), [AT, LATER]);
  assert.equal(store.leases.list(scope.namespace, [])[0]?.createdAt, AT);
  assert.equal(store.content.status(scope, "ingest").startedAt, AT);
});

it("an ingest that was closed was updated when its last byte came, as far as a file's time can tell", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const before = Temporal.Now.instant().epochNanoseconds;
  await using writer = await content.writer(scope, { ref: "r", total: 0, expected: "" });
  await writer.write(Buffer.from("x"));
  await writer.close();
  // A file is given its time as a double, which is exact to a quarter of a microsecond.
  assert.ok(content.status(scope, "r").updatedAt >= before - 1000n);
});

it("turns the milliseconds of an older database into nanoseconds", async () => {
  await using temporary = await temporaryStore();
  await temporary.store.close();
  const directory = join(temporary.root, "old/io.berth.metadata.v1.sqlite");
  mkdirSync(directory, { recursive: true });
  const old = new DatabaseSync(join(directory, "meta.db"));
  old.exec(migrations[0] ?? "");
  old.exec(`INSERT INTO content VALUES ('test', '${digestOf("x")}', 1, '{}', 1700000000123, 1700000000124);
    INSERT INTO leases VALUES ('test', 'l', '{}', 1700000000125);
    PRAGMA user_version = 1`);
  old.close();
  await using older = await temporaryStore({ root: join(temporary.root, "old") });
  const [info] = older.store.content.list(scope, []);
  assert.deepEqual([info?.createdAt, info?.updatedAt], [1_700_000_000_123_000_000n, 1_700_000_000_124_000_000n]);
  assert.equal(older.store.leases.list("test", [])[0]?.createdAt, 1_700_000_000_125_000_000n);
});
