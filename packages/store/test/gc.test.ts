// Nothing that is reachable is ever deleted, and everything else goes: against a plain model of the rules.
import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { instantOfMs, silent, systemClock } from "@berth/base";
import { defaultGcSchedule, type Store } from "@berth/store";
import fc from "fast-check";
import { startCollector } from "../src/gc/collector.ts";
import { digestOf, fails, put, scope, temporaryStore } from "./support.ts";

type Id = readonly ["content" | "snapshot" | "image", number];
const ids = fc.tuple(fc.constantFrom("content", "snapshot", "image"), fc.nat(5)) as fc.Arbitrary<Id>;
const key = ([kind, n]: Id): string => `${kind} ${n}`;
/** Graphs of up to 6 of each; label references point anywhere, snapshots to parents made before. */
const graphs = fc.record({
  references: fc.array(fc.tuple(ids, ids), { maxLength: 14 }),
  parents: fc.array(fc.option(fc.nat(4), { nil: null }), { minLength: 6, maxLength: 6 }),
  roots: fc.array(fc.tuple(fc.constantFrom("content", "snapshot"), fc.nat(5)) as fc.Arbitrary<Id>, { maxLength: 2 }),
  leased: fc.array(ids, { maxLength: 2 }),
  flat: fc.boolean(),
  expired: fc.array(fc.nat(5), { maxLength: 6 }),
});

it("keeps exactly what is reachable", async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async ({ references, parents, roots, leased, flat, expired }) => {
      await using temporary = await temporaryStore();
      const { store } = temporary;
      const native = store.snapshotter("native");
      const parentOf = (n: number): number | null => {
        const parent = parents[n] ?? null;
        return parent !== null && parent < n ? parent : null;
      };
      const nameOf = ([kind, n]: Id): string => (kind === "content" ? digestOf(`blob ${n}`) : `${kind}-${n}`);
      const refKey = { content: "content", snapshot: "snapshot.native", image: "image" } as const;
      const labelsOf = (id: Id): Record<string, string> => {
        const labels: Record<string, string> = {};
        references.forEach(([from, to], i) => {
          // A snapshotter's name ends at a slash, the others at a dot.
          if (key(from) === key(id))
            labels[`containerd.io/gc.ref.${refKey[to[0]]}${to[0] === "snapshot" ? "/" : "."}x${i}`] = nameOf(to);
        });
        if (roots.some((root) => key(root) === key(id))) labels["containerd.io/gc.root"] = "yes";
        if (id[0] === "image" && expired.includes(id[1]))
          labels["containerd.io/gc.expire"] = new Date(Date.now() - 1000).toISOString();
        return labels;
      };
      const n = [0, 1, 2, 3, 4, 5];
      for (const i of n) await put(store, `blob ${i}`, labelsOf(["content", i]));
      for (const i of n) {
        const parent = parentOf(i);
        await native.prepare(scope, `k${i}`, parent === null ? "" : `snapshot-${parent}`, {});
        await native.commit(scope, `snapshot-${i}`, `k${i}`, labelsOf(["snapshot", i]));
      }
      for (const i of n) {
        const target = { mediaType: "m", digest: digestOf(`blob ${i}`), size: 6, annotations: {} };
        store.images.create(scope, { name: `image-${i}`, labels: labelsOf(["image", i]), target });
      }
      store.leases.create("test", { id: "l", labels: flat ? { "containerd.io/gc.flat": "x" } : {} });
      const typeOf = { content: "content", snapshot: "snapshots/native", image: "images" } as const;
      for (const id of leased) store.leases.addResource("test", "l", { id: nameOf(id), type: typeOf[id[0]] });

      const kept = new Set<string>();
      const follow = (id: Id, labels: boolean, seen: Set<string>): void => {
        if (seen.has(key(id))) return;
        seen.add(key(id));
        const [kind, i] = id;
        const parent = kind === "snapshot" ? parentOf(i) : null;
        if (parent !== null) follow(["snapshot", parent], labels, seen);
        if (kind === "image") follow(["content", i], labels, seen);
        if (labels) for (const [from, to] of references) if (key(from) === key(id)) follow(to, labels, seen);
      };
      for (const root of roots) follow(root, true, kept);
      for (const i of n) if (!expired.includes(i)) follow(["image", i], true, kept);
      const byLease = flat ? new Set<string>() : kept;
      for (const id of leased) follow(id, !flat, byLease);
      for (const one of byLease) kept.add(one);

      await store.collector.collect();
      const there: string[] = [];
      const blobs = new Set(store.content.list(scope, []).map(({ digest }) => digest));
      for (const i of n) if (blobs.has(digestOf(`blob ${i}`))) there.push(`content ${i}`);
      for (const { name } of native.list(scope, [])) there.push(name.replace("-", " "));
      for (const { name } of store.images.list(scope, [])) there.push(name.replace("-", " "));
      assert.deepEqual(there.sort(), [...kept].sort());
    }),
    { numRuns: process.env.BERTH_LONG ? 100 : 10 },
  );
});

it("follows references back from what carries them", async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const parent = await put(store, "parent", { "containerd.io/gc.root": "x" });
  const child = await put(store, "child", { "containerd.io/gc.bref.content": parent });
  const orphan = await put(store, "orphan", { "containerd.io/gc.bref.content": digestOf("nobody") });
  await store.collector.collect();
  store.content.info(scope, child);
  await fails(() => store.content.info(scope, orphan), "not-found");
});

it("leaves alone what is under way", async () => {
  await using temporary = await temporaryStore({ clock: { now: () => now } });
  const { content, collector } = temporary.store;
  let now = systemClock.now();
  const old = await content.writer(scope, { ref: "old", total: 0, expected: "" });
  await old.close();
  await using open = await content.writer(scope, { ref: "open", total: 0, expected: "" });
  await open.write(Buffer.from("bytes"));
  now += instantOfMs(25 * 3600 * 1000);
  const removed = await collector.collect();
  assert.deepEqual(
    removed.map(({ kind, id }) => [kind, id]),
    [["ingest", "old"]],
  );
  // A collection that runs while a blob gets its name does not take the file.
  const committed = open.commit({ size: 5, expected: "", labels: { "containerd.io/gc.root": "x" } });
  await Promise.all([collector.collect(), committed, collector.collect()]);
  const { digest } = await committed;
  const reader = await content.reader(scope, digest);
  assert.equal(Buffer.from(await reader.read(0, 9)).toString(), "bytes");
  await reader.close();
});

it("collects once something was deleted, or enough was changed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let sweeps = 0;
  await using collector = startCollector(
    { ...defaultGcSchedule, mutationThreshold: 10, startupDelayMs: 100 },
    silent,
    function* () {
      sweeps++;
      yield [];
    },
    async () => {},
  );
  const tick = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await turn();
    await turn();
  };
  await tick(100);
  assert.equal(sweeps, 1);
  for (let i = 0; i < 9; i++) collector.changed("mutation");
  await tick(100_000);
  assert.equal(sweeps, 1);
  collector.changed("mutation");
  await tick(100_000);
  assert.equal(sweeps, 2);
  collector.changed("deletion");
  await tick(100_000);
  assert.equal(sweeps, 3);
});

it("calls that ask at the same time join one collection", async () => {
  await using temporary = await temporaryStore();
  const store: Store = temporary.store;
  await put(store, "loose");
  const [one, two] = await Promise.all([store.collector.collect(), store.collector.collect()]);
  assert.equal(one, two);
  assert.equal(one.length, 1);
});

it("a collection that is asked for while one runs begins after it, once", async () => {
  const order: string[] = [];
  await using collector = startCollector(
    { ...defaultGcSchedule, startupDelayMs: 0 },
    silent,
    function* () {
      order.push("begins");
      yield [];
      order.push("goes on");
      yield [];
      order.push("ends");
    },
    async () => {},
  );
  const first = collector.api.collect();
  while (order.length === 0) await turn();
  const second = [collector.api.collect(), collector.api.collect()];
  await Promise.all([first, ...second]);
  assert.deepEqual(order, ["begins", "goes on", "ends", "begins", "goes on", "ends"]);
});
