import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { it } from "node:test";
import { digestOf, fails, put, recordingLog, scope, temporaryStore } from "./support.ts";

const other = { namespace: "other", lease: "" };

it("a blob is a read-only file named by its digest", async () => {
  await using temporary = await temporaryStore();
  const digest = await put(temporary.store, "hello");
  const path = await temporary.store.content.path(scope, digest);
  assert.equal(path, join(temporary.root, "io.containerd.content.v1.content/blobs/sha256", digest.slice(7)));
  assert.equal(readFileSync(path, "utf8"), "hello");
  assert.equal(statSync(path).mode & 0o777, 0o444);
});

it("a reader reads ranges, and goes on when the blob is deleted", async () => {
  await using temporary = await temporaryStore();
  const { content, collector } = temporary.store;
  const digest = await put(temporary.store, "0123456789");
  const reader = await content.reader(scope, digest);
  content.delete(scope, digest);
  await collector.collect();
  assert.equal(Buffer.from(await reader.read(3, 4)).toString(), "3456");
  assert.equal((await reader.read(8, 100)).length, 2);
  assert.equal((await reader.read(10, 1)).length, 0);
  await fails(() => reader.read(11, 1), "out-of-range", "10 bytes");
  await reader.close();
});

it("an ingest goes on where it was, after the store was closed too", async () => {
  await using temporary = await temporaryStore();
  const first = await temporary.store.content.writer(scope, { ref: "r", total: 10, expected: "" });
  await first.write(Buffer.from("01234"));
  await first.close();
  const store = await temporary.reopen();
  assert.deepEqual(
    store.content.listStatuses(scope, []).map(({ ref, offset, total }) => ({ ref, offset, total })),
    [{ ref: "r", offset: 5, total: 10 }],
  );
  await using second = await store.content.writer(scope, { ref: "r", total: 10, expected: "" });
  assert.equal(second.status().offset, 5);
  assert.equal(second.digest(), digestOf("01234"));
  await second.truncate(3);
  assert.equal(second.digest(), digestOf("012"));
  await second.write(Buffer.from("abc"));
  const info = await second.commit({ size: 6, expected: digestOf("012abc"), labels: {} });
  assert.equal(info.size, 6);
  await fails(() => store.content.status(scope, "r"), "not-found");
});

it("an aborted ingest is gone for its writer, and its ref is free", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const options = { ref: "r", total: 0, expected: "" };
  await using writer = await content.writer(scope, options);
  await writer.write(Buffer.from("x"));
  await fails(() => content.writer(scope, options), "unavailable", "test/r locked");
  await content.abort(scope, "r");
  await fails(() => writer.write(Buffer.from("y")), "not-found", "r");
  await fails(() => writer.commit({ size: 0, expected: "", labels: {} }), "not-found", "r");
  await using again = await content.writer(scope, options);
  assert.equal(again.status().offset, 0);
});

it("two writers of the same bytes make one blob; the second learns that it is there", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const open = (ref: string) => content.writer(scope, { ref, total: 0, expected: "" });
  await using one = await open("one");
  await using two = await open("two");
  for (const writer of [one, two]) await writer.write(Buffer.from("same"));
  const both = await Promise.allSettled([one, two].map((w) => w.commit({ size: 4, expected: "", labels: {} })));
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(readFileSync(await content.path(scope, digestOf("same")), "utf8"), "same");
  assert.deepEqual(content.listStatuses(scope, []), []);
});

it("namespaces share the file of a blob, and it goes with the last of them", async () => {
  await using temporary = await temporaryStore();
  const { content, collector } = temporary.store;
  const digest = await put(temporary.store, "shared");
  await fails(() => content.writer(other, { ref: "r", total: 0, expected: digest }), "already-exists", digest);
  const path = await content.path(other, digest);
  content.delete(scope, digest);
  content.update(other, { digest, labels: { "containerd.io/gc.root": "x" } }, []);
  await collector.collect();
  assert.ok(existsSync(path));
  content.delete(other, digest);
  await collector.collect();
  assert.ok(!existsSync(path));
});

it("isolated namespaces have to bring the bytes, unless the holder's label says otherwise", async () => {
  await using temporary = await temporaryStore({ sharingPolicy: "isolated" });
  const { content, namespaces } = temporary.store;
  const digest = await put(temporary.store, "mine");
  const writer = await content.writer(other, { ref: "r", total: 0, expected: digest });
  await writer.close();
  namespaces.update({ name: "test", labels: { "containerd.io/namespace.shareable": "true" } }, []);
  await fails(() => content.writer(other, { ref: "r2", total: 0, expected: digest }), "already-exists");
});

it("after an unclean boot a damaged blob is reported once and can be fetched again", async () => {
  await using temporary = await temporaryStore();
  const digest = await put(temporary.store, "precious");
  const good = await put(temporary.store, "good");
  const path = await temporary.store.content.path(scope, digest);
  await temporary.store.close();
  // As if the machine had gone down: another boot, not closed, and a torn file.
  const db = new DatabaseSync(join(temporary.root, "io.berth.metadata.v1.sqlite/meta.db"));
  db.exec("UPDATE meta SET value = 'no' WHERE key = 'clean'; UPDATE meta SET value = 'before' WHERE key = 'boot'");
  db.exec("UPDATE blobs SET boot = 'before'");
  db.close();
  chmodSync(path, 0o600);
  writeFileSync(path, "precio\0\0");
  const store = await temporary.reopen();
  await fails(() => store.content.reader(scope, digest), "data-loss", "damaged");
  await fails(() => store.content.info(scope, digest), "not-found");
  assert.equal(readFileSync(await store.content.path(scope, good), "utf8"), "good");
  assert.equal(await put(store, "precious"), digest);
  assert.equal(readFileSync(await store.content.path(scope, digest), "utf8"), "precious");
});

it("a blob that is cut short is not told of, and can be fetched again", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const [asked, expected, read] = [
    await put(temporary.store, "asked for"),
    await put(temporary.store, "expected"),
    await put(temporary.store, "read"),
  ];
  for (const digest of [asked, expected, read]) truncateSync(await content.path(scope, digest), 3);
  await fails(() => content.info(scope, asked), "not-found", "it has 3 bytes instead of 9");
  await fails(() => content.reader(scope, read), "data-loss", "it has 3 bytes instead of 4");
  assert.equal(await put(temporary.store, "asked for"), asked);
  assert.equal(readFileSync(await content.path(scope, asked), "utf8"), "asked for");
  // A writer that names what it is to write is not told that nothing need be sent.
  const writer = await content.writer(scope, { ref: "again", total: 8, expected });
  await writer.write(Buffer.from("expected"));
  await writer.commit({ size: 8, expected, labels: {} });
  assert.equal(readFileSync(await content.path(scope, expected), "utf8"), "expected");
});

it("bytes that come again take the place of a blob whose own have changed, for every namespace", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const digest = await put(temporary.store, "precious");
  await fails(() => content.writer(other, { ref: "r", total: 0, expected: digest }), "already-exists");
  assert.equal(await content.damage(digest), null);
  const path = await content.path(scope, digest);
  chmodSync(path, 0o600);
  writeFileSync(path, "preciouz");
  assert.equal(await content.damage(digest), "its bytes have changed");
  const writer = await content.writer(scope, { ref: "again", total: 0, expected: "" });
  await writer.write(Buffer.from("precious"));
  await fails(() => writer.commit({ size: 8, expected: digest, labels: {} }), "already-exists");
  assert.equal(await content.damage(digest), null);
  assert.equal(readFileSync(await content.path(other, digest), "utf8"), "precious");
  assert.deepEqual(content.listStatuses(scope, []), []);
  const store = await temporary.reopen();
  assert.equal(readFileSync(await store.content.path(scope, digest), "utf8"), "precious");
});

it("a blob whose file has vanished is reported once and can be fetched again", async () => {
  await using temporary = await temporaryStore();
  const digest = await put(temporary.store, "gone");
  rmSync(await temporary.store.content.path(scope, digest));
  await fails(() => temporary.store.content.reader(scope, digest), "data-loss");
  assert.equal(await put(temporary.store, "gone"), digest);
});

it("files that nothing explains are put aside with one warning, and deleted after their time", async () => {
  let now = BigInt(Date.parse("2030-01-01T12:00:00Z")) * 1_000_000n;
  const { log, lines } = recordingLog();
  await using temporary = await temporaryStore({ clock: { now: () => now }, log });
  const top = join(temporary.root, "io.containerd.content.v1.content");
  writeFileSync(join(top, "blobs/sha256", "f".repeat(64)), "orphan");
  writeFileSync(join(top, "blobs/sha256/README"), "of somebody");
  mkdirSync(join(top, "ingest/orphan"));
  const store = await temporary.reopen();
  assert.deepEqual(readdirSync(join(top, "blobs/sha256")), []);
  assert.deepEqual(readdirSync(join(top, "ingest")), []);
  const batch = join(temporary.root, "io.berth.quarantine.v1/20300101T120000.000Z");
  assert.equal(readFileSync(join(batch, "blobs", "f".repeat(64)), "utf8"), "orphan");
  assert.ok(existsSync(join(batch, "ingests/orphan")));
  const warnings = lines.filter(({ level }) => level === "warn");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]?.sentence ?? "", /^the disk had 2 blobs, 1 ingests that the database does not know/);

  now += (7n * 24n * 3_600_000n - 1n) * 1_000_000n;
  await store.collector.collect();
  assert.ok(existsSync(batch), "a week is not over");
  now += 1_000_000n;
  await store.collector.collect();
  assert.ok(!existsSync(batch));
});

it("a removal that a crash cut off is finished by the next start, and is no surprise to it", async () => {
  const { log, lines } = recordingLog();
  await using temporary = await temporaryStore({ log });
  const { content, collector } = temporary.store;
  const digest = await put(temporary.store, "to go");
  const path = await content.path(scope, digest);
  const kept = `${path}.kept`;
  linkSync(path, kept);
  content.delete(scope, digest);
  await collector.collect();
  await temporary.store.close();
  // As if the process had died between the transaction and the file.
  renameSync(kept, path);
  await temporary.reopen();
  assert.deepEqual(readdirSync(join(temporary.root, "io.containerd.content.v1.content/blobs/sha256")), []);
  assert.deepEqual(
    lines.filter(({ level }) => level === "warn"),
    [],
  );
});
