// A collection lets others have their turn, and what they refer to in between stays.
import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { isNotFound } from "@berth/base";
import type { Store } from "@berth/store";
import { digestOf, put, scope, temporaryStore } from "../../packages/store/test/support.ts";

const COUNT = 1_500;
/** Of so many blobs the first leads to the others, each to the next. */
const CHAIN = 5;
const texts = Array.from({ length: COUNT }, (_, at) => `blob ${at}`);
const digests = texts.map(digestOf);
const digestAt = (at: number): string => digests[at % COUNT] ?? "";

async function fill(store: Store): Promise<void> {
  store.leases.create("test", { id: "filling", labels: {} });
  {
    await using batch = await store.content.batch({ namespace: "test", lease: "filling" }, "filling");
    for (const text of texts) {
      const body = async function* () {
        yield Buffer.from(text);
      };
      await batch.add({ expected: "", name: text, body: body() });
    }
    await batch.commit();
  }
  store.transaction(() => {
    for (const [at, digest] of digests.entries())
      if (at % CHAIN !== CHAIN - 1)
        store.content.update(scope, { digest, labels: { "containerd.io/gc.ref.content.next": digestAt(at + 1) } }, []);
  });
}

function isThere(store: Store, digest: string): boolean {
  try {
    store.content.info(scope, digest);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

it("what is referred to while a collection runs is kept with all that it leads to, and the rest goes", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  await fill(store);
  store.leases.create("test", { id: "l", labels: {} });
  const keeper = await put(store, "keeper", { "containerd.io/gc.root": "yes" });
  const references: ((digest: string, at: number) => void)[] = [
    (id) => store.leases.addResource("test", "l", { id, type: "content" }),
    (digest, at) =>
      void store.images.create(scope, {
        name: `image-${at}`,
        labels: {},
        target: { mediaType: "m", digest, size: 1, annotations: {} },
      }),
    (digest, at) =>
      void store.content.update(scope, { digest: keeper, labels: { [`containerd.io/gc.ref.content.${at}`]: digest } }, [
        `labels.containerd.io/gc.ref.content.${at}`,
      ]),
    // Its own labels may say what it belongs to.
    (digest) =>
      void store.content.update(scope, { digest, labels: { "containerd.io/gc.bref.content": keeper } }, [
        "labels.containerd.io/gc.bref.content",
      ]),
  ];
  store.leases.delete("test", "filling");
  let isRunning = true;
  const collecting = store.collector.collect().finally(() => {
    isRunning = false;
  });
  const wanted = new Set<string>();
  let early = 0;
  for (let at = 0; isRunning; at++) {
    // From the middle of a chain: what comes before it may go.
    const start = (at * 7 * CHAIN + 1) % COUNT;
    const chain = Array.from({ length: CHAIN - 1 }, (_, next) => digestAt(start + next));
    if (at % 3 === 0 && chain.every((digest) => isThere(store, digest))) {
      references[(at / 3) % references.length]?.(chain[0] ?? "", at);
      for (const digest of chain) wanted.add(digest);
      early++;
    }
    await turn();
  }
  await collecting;
  assert.ok(early >= references.length, `${early} references were made while it ran`);
  for (const digest of wanted) assert.ok(isThere(store, digest), `${digest} was referred to`);
  const left = digests.filter((digest) => isThere(store, digest)).length;
  assert.ok(left < COUNT / 2, `${left} of ${COUNT} are left`);
  // Nothing stays for good that nothing refers to.
  await store.collector.collect();
  assert.deepEqual(
    digests.filter((digest) => isThere(store, digest)),
    digests.filter((digest) => wanted.has(digest)),
  );
  for (const digest of wanted) assert.equal(await store.content.verify(digest), null);
});

it("removes a few at a time, and has done all when it has ended", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  await fill(store);
  store.leases.delete("test", "filling");
  const count = () => store.content.list(scope, []).length;
  let before = count();
  let most = 0;
  let isRunning = true;
  const collecting = store.collector.collect().finally(() => {
    isRunning = false;
  });
  while (isRunning) {
    await turn();
    const now = count();
    most = Math.max(most, before - now);
    before = now;
  }
  assert.equal((await collecting).length, COUNT);
  assert.ok(most <= 100, `${most} were removed without a turn for others`);
  assert.deepEqual(store.content.list(scope, []), []);
});
