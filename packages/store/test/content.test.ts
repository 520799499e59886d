import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
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

it("a writer waits for the one before it, and for the one that was before it in the queue", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const options = { ref: "r", total: 0, expected: "" };
  const first = await content.writer(scope, options);
  const waiting = [1, 2].map(() => content.writer(scope, options));
  await first.write(Buffer.from("abc"));
  await first.close();
  for (const next of waiting) {
    await using writer = await next;
    assert.equal(writer.status().offset, 3);
  }
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

/** Changes the file without the store's knowing. */
function change(path: string, bytes: string): void {
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

it("after an unclean boot a torn blob is given to nobody until it is fetched again", async () => {
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
  change(path, "precio\0\0");
  const store = await temporary.reopen();
  await fails(() => store.content.reader(scope, digest), "not-found", "its bytes have changed");
  await fails(() => store.content.info(scope, digest), "not-found", "damaged");
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
  await fails(() => content.reader(scope, read), "not-found", "it has 3 bytes instead of 4");
  await fails(() => content.update(scope, { digest: read, labels: {} }, []), "not-found", "damaged");
  assert.deepEqual(
    content.list(scope, []).map(({ digest }) => digest),
    [expected],
    "not looked at yet",
  );
  assert.equal(await put(temporary.store, "asked for"), asked);
  assert.equal(readFileSync(await content.path(scope, asked), "utf8"), "asked for");
  // A writer that names what it is to write is not told that nothing need be sent.
  const writer = await content.writer(scope, { ref: "again", total: 8, expected });
  await writer.write(Buffer.from("expected"));
  await writer.commit({ size: 8, expected, labels: {} });
  assert.equal(readFileSync(await content.path(scope, expected), "utf8"), "expected");
});

it("a damaged blob keeps its record, labels and references, in every namespace, until its bytes come again", async () => {
  const { log, lines } = recordingLog();
  await using temporary = await temporaryStore({ log });
  let { store } = temporary;
  const child = await put(store, "child");
  const digest = await put(store, "precious", { mine: "1", "containerd.io/gc.ref.content.0": child });
  store.images.create(scope, {
    name: "image",
    labels: {},
    target: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 8, annotations: {} },
  });
  await fails(() => store.content.writer(other, { ref: "r", total: 0, expected: digest }), "already-exists");
  store.content.update(other, { digest, labels: { theirs: "2", "containerd.io/gc.root": "x" } }, []);
  const { createdAt } = store.content.info(scope, digest);
  change(await store.content.path(scope, digest), "preciouz");
  assert.equal(await store.content.verify(digest), "its bytes have changed");
  assert.equal(await store.content.verify(digest), "its bytes have changed");
  assert.equal(lines.filter(({ level }) => level === "error").length, 1, "it is told of once");

  store = await temporary.reopen();
  await store.collector.collect();
  await fails(() => store.content.info(other, digest), "not-found", "damaged");
  assert.equal(store.content.info(scope, child).size, 5, "what it refers to is kept");
  const writer = await store.content.writer(scope, { ref: "again", total: 8, expected: digest });
  await writer.write(Buffer.from("precious"));
  const info = await writer.commit({ size: 8, expected: digest, labels: { new: "3" } });
  const labels = { mine: "1", "containerd.io/gc.ref.content.0": child, new: "3" };
  assert.deepEqual([info.labels, info.createdAt], [labels, createdAt]);
  assert.deepEqual(store.content.info(scope, digest), info);
  assert.deepEqual(store.content.info(other, digest).labels, { theirs: "2", "containerd.io/gc.root": "x" });
  assert.equal(readFileSync(await store.content.path(other, digest), "utf8"), "precious");
  assert.deepEqual(store.content.listStatuses(scope, []), []);
  await store.collector.collect();
  assert.equal(store.content.info(scope, child).size, 5);
});

it("bytes that come again take the place of a blob whose own have changed unnoticed", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const digest = await put(temporary.store, "precious", { kept: "1" });
  change(await content.path(scope, digest), "preciouz");
  const writer = await content.writer(scope, { ref: "again", total: 0, expected: "" });
  await writer.write(Buffer.from("precious"));
  assert.deepEqual((await writer.commit({ size: 8, expected: digest, labels: {} })).labels, { kept: "1" });
  assert.equal(await content.verify(digest), null);
  const store = await temporary.reopen();
  assert.equal(readFileSync(await store.content.path(scope, digest), "utf8"), "precious");
});

it("a blob that is found whole again is given again", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const digest = await put(temporary.store, "precious");
  const path = await content.path(scope, digest);
  change(path, "preciouz");
  assert.equal(await content.verify(digest), "its bytes have changed");
  change(path, "precious");
  await fails(() => content.info(scope, digest), "not-found", "its bytes have changed");
  assert.equal(await content.verify(digest), null);
  assert.equal(content.info(scope, digest).size, 8);
});

it("bytes that come while the old ones are read count", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const text = "x".repeat(3 << 20);
  const digest = await put(temporary.store, text);
  const path = await content.path(scope, digest);
  change(path, "y".repeat(3 << 20));
  let reads = 0;
  const damage = await content.verify(digest, {
    onBytes() {
      if (reads++ > 0) return;
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
  });
  assert.equal(damage, null);
});

it("reading a blob ends with its signal", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const digest = await put(temporary.store, "x".repeat(3 << 20));
  const controller = new AbortController();
  let bytes = 0;
  const verifying = content.verify(digest, {
    signal: controller.signal,
    onBytes(count) {
      bytes += count;
      controller.abort(new Error("enough"));
    },
  });
  await assert.rejects(verifying, /^Error: enough$/);
  assert.ok(bytes < 3 << 20);
});

it("a damaged blob can be deleted, and goes with its file", async () => {
  await using temporary = await temporaryStore();
  const { content, collector } = temporary.store;
  const digest = await put(temporary.store, "precious");
  const path = await content.path(scope, digest);
  truncateSync(path, 3);
  await fails(() => content.info(scope, digest), "not-found", "damaged");
  content.delete(scope, digest);
  await collector.collect();
  assert.ok(!existsSync(path));
  await fails(() => content.info(scope, digest), "not-found");
  assert.equal(await put(temporary.store, "precious"), digest);
});

it("a blob whose file has vanished can be fetched again", async () => {
  await using temporary = await temporaryStore();
  const digest = await put(temporary.store, "gone");
  rmSync(await temporary.store.content.path(scope, digest));
  await fails(() => temporary.store.content.reader(scope, digest), "not-found", "its file is missing");
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

it("a blob is repaired from what a start has put aside, an ingest or another namespace", async () => {
  await using temporary = await temporaryStore();
  const signal = new AbortController().signal;
  const digest = await put(temporary.store, "precious", { kept: "1" });
  const wanted = { digest, size: 8, signal };
  const path = await temporary.store.content.path(scope, digest);
  change(path, "preciouz");
  assert.equal(await temporary.store.content.verify(digest), "its bytes have changed");
  assert.equal(await temporary.store.content.repair(scope, wanted), false, "there is no copy");
  assert.deepEqual(temporary.store.content.listStatuses(scope, []), []);

  // Of ingests that are long enough only one has the bytes.
  for (const [ref, bytes] of [
    ["wrong", "preciouy"],
    ["right", "precious"],
  ] as const) {
    await using writer = await temporary.store.content.writer(scope, { ref, total: 0, expected: "" });
    await writer.write(Buffer.from(bytes));
  }
  assert.equal(await temporary.store.content.repair(scope, wanted), true);
  assert.equal(readFileSync(path, "utf8"), "precious");
  assert.deepEqual(temporary.store.content.info(scope, digest).labels, { kept: "1" });
  assert.equal(temporary.store.content.listStatuses(scope, []).length, 2, "the ingests stay as they are");
  for (const ref of ["wrong", "right"]) await temporary.store.content.abort(scope, ref);

  const aside = join(temporary.root, "io.berth.quarantine.v1/20300101T120000.000Z/blobs");
  mkdirSync(aside, { recursive: true });
  writeFileSync(join(aside, digest.slice("sha256:".length)), "precious");
  rmSync(path);
  assert.equal(await temporary.store.content.repair(scope, wanted), true);
  assert.equal(readFileSync(path, "utf8"), "precious");
  rmSync(aside, { recursive: true });

  assert.equal(await temporary.store.content.repair(other, wanted), true, "another namespace has it");
  assert.equal(temporary.store.content.info(other, digest).size, 8);
  assert.equal(await temporary.store.content.repair(scope, { ...wanted, digest: digestOf("nobody's") }), false);
  assert.deepEqual(temporary.store.content.listStatuses(scope, []), []);
});

it("a blob that the disk cannot read is damaged, and such a copy repairs nothing", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const digest = await put(temporary.store, "");
  const path = await content.path(scope, digest);
  // Like a bad sector: a regular file of the right size, and EIO where it is read.
  const bad = "/proc/self/mem";
  rmSync(path);
  symlinkSync(bad, path);
  assert.equal(await content.verify(digest), "the disk cannot read it");
  await fails(() => content.info(scope, digest), "not-found");
  const wanted = { digest, size: 0, signal: new AbortController().signal };
  const aside = (time: string) => join(temporary.root, `io.berth.quarantine.v1/${time}.000Z/blobs`);
  const place = (time: string) => {
    mkdirSync(aside(time), { recursive: true });
    return join(aside(time), digest.slice("sha256:".length));
  };
  symlinkSync(bad, place("20300101T120000"));
  assert.equal(await content.repair(scope, wanted), false);
  writeFileSync(place("20300102T120000"), "");
  assert.equal(await content.repair(scope, wanted), true);
  assert.equal(await content.verify(digest), null);
  assert.ok(lstatSync(path).isFile());
});

it("a copy that goes or changes while it is read repairs nothing, and fails nothing", async () => {
  await using temporary = await temporaryStore();
  const { content } = temporary.store;
  const bytes = "b".repeat(8 << 20);
  const digest = await put(temporary.store, bytes);
  const path = await content.path(scope, digest);
  const aside = join(temporary.root, "io.berth.quarantine.v1/20300101T120000.000Z/blobs");
  mkdirSync(aside, { recursive: true });
  const copy = join(aside, digest.slice("sha256:".length));
  rmSync(path);
  const wanted = { digest, size: bytes.length, signal: new AbortController().signal };
  for (const [act, isMended] of [
    [() => rmSync(copy), true],
    [() => truncateSync(copy, 9), false],
  ] as const) {
    rmSync(path, { force: true });
    writeFileSync(copy, bytes);
    assert.equal(await content.verify(digest), "its file is missing");
    const repairing = content.repair(scope, wanted);
    while (!isOpen(copy)) await nextTurn();
    act();
    assert.equal(await repairing, isMended);
  }
  assert.deepEqual(content.listStatuses(scope, []), []);
});

/** Whether this process has the file open. */
const isOpen = (path: string): boolean =>
  readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  });

it("an isolated namespace is repaired from what others bring only where it had the bytes itself", async () => {
  await using temporary = await temporaryStore({ sharingPolicy: "isolated" });
  const { content } = temporary.store;
  const digest = digestOf("secret");
  const wanted = { digest, size: 6, signal: new AbortController().signal };
  {
    await using writer = await content.writer(other, { ref: "in the making", total: 0, expected: "" });
    await writer.write(Buffer.from("secret"));
  }
  const aside = join(temporary.root, "io.berth.quarantine.v1/20300101T120000.000Z/blobs");
  mkdirSync(aside, { recursive: true });
  writeFileSync(join(aside, digest.slice("sha256:".length)), "secret");
  assert.equal(await content.repair(scope, wanted), false);
  {
    await using writer = await content.writer(scope, { ref: "its own", total: 0, expected: "" });
    await writer.write(Buffer.from("secret"));
  }
  assert.equal(await content.repair(scope, wanted), true);
  await content.abort(scope, "its own");
  truncateSync(await content.path(scope, digest), 1);
  assert.equal(await content.repair(scope, wanted), true, "it had them");
});
