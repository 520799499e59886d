// Blobs that come together: known by the dozen for a few transactions, or not at all.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import type { ContentBatch, Scope, Store } from "@berth/store";
import { digestOf, fails, put, recordingLog, scope, temporaryStore } from "./support.ts";

const bodyOf = async function* (text: string): AsyncGenerator<Uint8Array, void> {
  for (const half of [text.slice(0, 3), text.slice(3)]) yield Buffer.from(half);
};
const addTo = (batch: ContentBatch, text: string, expected = "") =>
  batch.add({ expected, name: `the text ${text}`, body: bodyOf(text) });
const texts = (count: number): string[] => Array.from({ length: count }, (_, at) => `text ${at}`);

function leased(store: Store): Scope {
  store.leases.create("test", { id: "l", labels: {} });
  return { namespace: "test", lease: "l" };
}
const digestsIn = (store: Store): string[] => store.content.list(scope, []).map(({ digest }) => digest);
const filesIn = (root: string, directory: "blobs/sha256" | "ingest"): string[] =>
  readdirSync(join(root, "io.containerd.content.v1.content", directory));

it("a thousand small blobs take a few dozen transactions, and are as any others", async () => {
  const state = mkdtempSync(join(tmpdir(), "berth-store-state-"));
  try {
    await using temporary = await temporaryStore({ state });
    const { store, root } = temporary;
    const within = leased(store);
    const commits = (): number =>
      Number(/\d+\D+(\d+)/.exec(readFileSync(join(state, "io.berth.commits"), "utf8"))?.[1]);
    const before = commits();
    {
      await using batch = await store.content.batch(within, "many");
      for (const text of texts(1_000)) await addTo(batch, text);
      await batch.commit();
      await store.collector.collect();
      assert.deepEqual(digestsIn(store), texts(1_000).map(digestOf).sort(), "the lease has them");
    }
    assert.ok(commits() - before < 60, `${commits() - before} transactions`);
    const path = await store.content.path(scope, digestOf("text 7"));
    assert.equal(readFileSync(path, "utf8"), "text 7");
    assert.equal(statSync(path).mode & 0o777, 0o444);
    assert.deepEqual(store.content.listStatuses(scope, []), []);
    store.leases.delete("test", "l");
    await store.collector.collect();
    assert.deepEqual([filesIn(root, "blobs/sha256"), filesIn(root, "ingest")], [[], []]);
  } finally {
    rmSync(state, { recursive: true });
  }
});

it("what a batch has not committed is gone with it, and what has another digest is refused", async () => {
  await using temporary = await temporaryStore();
  const { store, root } = temporary;
  {
    await using batch = await store.content.batch(scope, "r");
    await addTo(batch, "one");
    await fails(() => addTo(batch, "two", digestOf("three")), "failed-precondition", `not ${digestOf("three")}`);
    await fails(() => store.content.batch(scope, "r"), "unavailable", "test/r locked");
  }
  await store.collector.collect();
  assert.deepEqual(digestsIn(store), []);
  assert.deepEqual([filesIn(root, "blobs/sha256"), filesIn(root, "ingest")], [[], []]);
});

it("a blob that is there is taken into the lease without its bytes, unless it is damaged", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const whole = await put(store, "whole");
  const torn = await put(store, "torn");
  const path = await store.content.path(scope, torn);
  rmSync(path);
  writeFileSync(path, "t0rn");
  const within = leased(store);
  await using batch = await store.content.batch(within, "r");
  const unread = { expected: whole, name: "x", body: bodyOf("never read, or it would be refused") };
  assert.deepEqual(await batch.add(unread), { digest: whole, size: 5 });
  await addTo(batch, "torn", torn);
  await addTo(batch, "twice");
  await addTo(batch, "twice");
  // While they wait, the collector takes a record, but no file of theirs.
  await store.collector.collect();
  await batch.commit();
  await store.collector.collect();
  assert.deepEqual(digestsIn(store), ["whole", "torn", "twice"].map(digestOf).sort());
  for (const digest of digestsIn(store)) assert.equal(await store.content.verify(digest), null);
});

it("an isolated namespace has to bring the bytes", async () => {
  await using temporary = await temporaryStore({ sharingPolicy: "isolated" });
  const { store } = temporary;
  const digest = await put(store, "secret");
  await using batch = await store.content.batch({ namespace: "other", lease: "" }, "r");
  await fails(() => addTo(batch, "guess", digest), "failed-precondition", "the text guess has the digest");
  await addTo(batch, "secret", digest);
  await batch.commit();
  assert.equal(store.content.info({ namespace: "other", lease: "" }, digest).size, 6);
});

it("a batch that is aborted by its ref ends", async () => {
  await using temporary = await temporaryStore();
  const { store, root } = temporary;
  await using batch = await store.content.batch(scope, "r");
  await addTo(batch, "one");
  await store.content.abort(scope, "r");
  await fails(() => batch.commit(), "not-found", "reference r");
  await fails(() => addTo(batch, "two"), "not-found", "reference r");
  assert.deepEqual(filesIn(root, "blobs/sha256"), []);
});

it("a process that is killed between the names of files and their records leaves nothing, and no warning", async () => {
  const { log, lines } = recordingLog();
  await using temporary = await temporaryStore({ log });
  await temporary.store.close();
  const child = spawnSync(process.execPath, [join(import.meta.dirname, "batch-child.ts"), temporary.root], {
    encoding: "utf8",
  });
  assert.equal(child.signal, "SIGKILL", child.stderr);
  assert.equal(filesIn(temporary.root, "blobs/sha256").length, 10, "killed where it was to be");
  const store = await temporary.reopen();
  assert.deepEqual(filesIn(temporary.root, "blobs/sha256"), []);
  store.leases.delete("test", "l");
  await store.collector.collect();
  assert.deepEqual(filesIn(temporary.root, "ingest"), []);
  assert.deepEqual(
    lines.filter(({ level }) => level === "warn"),
    [],
  );
});
