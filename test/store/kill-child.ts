// Does random things to the store in argv[2], seeded by argv[3], until it is killed. Before each it says on stdout
// what it is about to do, and after it that it was acknowledged.

import { createHash, randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { silent, systemClock } from "@berth/base";
import { openStore, type Scope } from "@berth/store";

const [, , root = "", run = ""] = process.argv;
const scope: Scope = { namespace: "kill", lease: "" };
const KEEP = { "containerd.io/gc.root": "yes" };
const ANY = { typeUrl: "x", value: new Uint8Array(0) };
await using store = await openStore({ root, clock: systemClock, log: silent });
// A synchronous write: what is acknowledged must be known to whoever kills us.
const say = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`);
const pick = <T>(of: readonly T[]): T | null => of[Math.floor(Math.random() * of.length)] ?? null;
const snapshots = store.snapshotter(store.snapshotters.includes("overlayfs") ? "overlayfs" : "native");
let count = 0;
const fresh = (): string => `n${run}-${count++}`;

async function step(kind: string, id: string, outcome: "present" | "absent", act: () => Promise<unknown> | unknown) {
  say({ begin: true, kind, id, outcome });
  await act();
  say({ begin: false, kind, id, outcome });
}

const container = (id: string, snapshotKey: string) => ({
  id,
  labels: {},
  image: "",
  runtime: { name: "r", options: null },
  spec: ANY,
  snapshotter: snapshotKey === "" ? "" : snapshots.name,
  snapshotKey,
  extensions: {},
  sandbox: "",
});

const actions: (() => Promise<void>)[] = [
  async () => {
    const bytes = randomBytes(1 + Math.floor(Math.random() * 200_000));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await step("content", digest, "present", async () => {
      await using writer = await store.content.writer(scope, { ref: fresh(), total: 0, expected: "" });
      await writer.write(bytes.subarray(0, 1000));
      await writer.write(bytes.subarray(1000));
      await writer.commit({ size: bytes.length, expected: digest, labels: KEEP });
    });
  },
  async () => {
    const lease = fresh();
    store.leases.create(scope.namespace, { id: lease, labels: {} });
    await using batch = await store.content.batch({ ...scope, lease }, lease);
    const digests: string[] = [];
    for (let at = 0; at < 10; at++) {
      const bytes = randomBytes(1 + Math.floor(Math.random() * 20_000));
      const body = async function* () {
        yield bytes;
      };
      digests.push((await batch.add({ expected: "", name: "bytes", body: body() })).digest);
    }
    await batch.commit();
    const [first = ""] = digests;
    await step("content", first, "present", () => {
      store.content.update(scope, { digest: first, labels: KEEP }, ["labels"]);
      store.leases.delete(scope.namespace, lease);
    });
  },
  async () => {
    const found = pick(store.content.list(scope, ['labels."containerd.io/gc.root"==yes']));
    if (found) await step("content", found.digest, "absent", () => store.content.delete(scope, found.digest));
  },
  async () => {
    // Garbage: never finished, or never referred to.
    await using writer = await store.content.writer(scope, { ref: fresh(), total: 0, expected: "" });
    await writer.write(randomBytes(5000));
    if (Math.random() < 0.5) await writer.commit({ size: 0, expected: "", labels: {} });
  },
  async () => {
    const key = fresh();
    const parent = pick(snapshots.list(scope, ["kind==committed"]))?.name ?? "";
    await step("snapshot", key, "present", () => snapshots.prepare(scope, key, parent, KEEP));
  },
  async () => {
    const active = pick(snapshots.list(scope, ["kind==active"]).filter(({ name }) => !name.startsWith("of-")));
    if (!active) return;
    const name = fresh();
    // The commit makes the one and ends the other.
    await step("snapshot", active.name, "absent", () =>
      step("snapshot", name, "present", () => snapshots.commit(scope, name, active.name, KEEP)),
    );
  },
  async () => {
    const active = pick(snapshots.list(scope, ["kind==active"]).filter(({ name }) => !name.startsWith("of-")));
    if (active) await step("snapshot", active.name, "absent", () => snapshots.remove(scope, active.name));
  },
  async () => {
    const id = fresh();
    await step("container", id, "present", async () => {
      const key = `of-${id}`;
      await using staged = await snapshots.stage(scope, { kind: "active", key, parent: "", labels: {} });
      store.transaction(() => {
        staged.commit();
        store.containers.create(scope, container(id, key));
      });
    });
  },
  async () => {
    const found = pick(store.containers.list(scope, []));
    if (found) await step("container", found.id, "absent", () => store.containers.delete(scope, found.id));
  },
  async () => void (await store.collector.collect()),
];

say({ ready: true });
for (;;) await pick(actions)?.();
