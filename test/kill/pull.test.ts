// Pulls that are interrupted at random: berthd, its unpacker or the client are killed, the registry goes away, connections
// are cut. Another try completes, asks for no byte that was in the store, and leaves nothing but the image.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { connectGrpc } from "@berth/grpc";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Kind, Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { berthAt } from "../client/berth.ts";
import { createRandom } from "../fuzz/random.ts";
import { startBerthd } from "../support/berthd.ts";
import { processesNaming } from "../support/leftovers.ts";
import { hasRegistry, startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { upload } from "../support/registry/upload.ts";

const rounds = Number(process.env.BERTH_ROUNDS ?? (process.env.BERTH_LONG ? 100 : 10));
const seed = Number(process.env.BERTH_SEED ?? Date.now() % 1_000_000);
const namespace = `pullkill${process.pid}`;
const KINDS = ["berthd", "the unpacker", "the client", "the registry", "a connection"] as const;

/** Of a process that may have gone. */
function parentOf(pid: number): number | null {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return null;
    throw error;
  }
}

const title = `${rounds} interrupted pulls go on where they were (BERTH_SEED=${seed})`;
it(title, { skip: hasRegistry() ? false : "needs docker-registry" }, async (t) => {
  const random = createRandom(seed);
  const own = takeOwnTmp();
  await using undo = new AsyncDisposableStack();
  undo.defer(own.remove);
  const hosts = join(own.dir, "hosts");
  const config = `[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = ${JSON.stringify(hosts)}\n`;
  const registry = undo.use(await startRegistry());
  const mirror = undo.use(await startFaultyMirror(registry));
  mkdirSync(join(hosts, "kill.example"), { recursive: true });
  writeFileSync(join(hosts, "kill.example/hosts.toml"), `server = "${mirror.url}"\n`);
  const berthd = undo.use(await startBerthd({ config }));
  const berth = await berthAt(berthd.address, namespace);
  const counts: Record<string, number> = { tries: 0, "was over": 0 };

  /** Bytes that are in the store: of each blob all, of each ingest so many. */
  async function here(): Promise<Map<string, number>> {
    using connection = connectGrpc(berthd.address);
    const content = connection.service(Content);
    const { statuses } = await content.listStatuses({}, { namespace });
    const blobs = (await Array.fromAsync(content.list({}, { namespace }))).flatMap(({ info }) => info);
    return new Map([
      ...statuses.map(({ ref, offset }) => [ref.slice(ref.indexOf("-") + 1), offset] as const),
      ...blobs.map(({ digest, size }) => [digest, size] as const),
    ]);
  }
  async function left(): Promise<{ leases: number; ingests: number; active: number }> {
    using connection = connectGrpc(berthd.address);
    const { leases } = await connection.service(Leases).list({}, { namespace });
    const { statuses } = await connection.service(Content).listStatuses({}, { namespace });
    const snapshots = connection.service(Snapshots).list({ snapshotter: "overlayfs" }, { namespace });
    const kinds = (await Array.fromAsync(snapshots)).flatMap(({ info }) => info.map(({ kind }) => kind));
    return {
      leases: leases.length,
      ingests: statuses.length,
      active: kinds.filter((kind) => kind !== Kind.COMMITTED).length,
    };
  }
  /** Waits for nothing: the moment is what is random. */
  const pause = (most: number) => new Promise((done) => setTimeout(done, random.int(0, most)));

  const interrupt: Record<(typeof KINDS)[number], (kill: () => void) => Promise<void>> = {
    async berthd() {
      await pause(150);
      await berthd.end("SIGKILL");
      await berthd.restart();
    },
    async "the unpacker"() {
      for (let look = 0; look < 50; look++) {
        const found = processesNaming("berth-unpack").filter(({ pid }) => parentOf(pid) === berthd.pid);
        for (const { pid } of found) process.kill(pid, "SIGKILL");
        if (found.length > 0) return;
        await pause(4);
      }
    },
    async "the client"(kill) {
      await pause(150);
      kill();
    },
    async "the registry"() {
      await pause(100);
      await mirror.down();
    },
    async "a connection"() {},
  };

  for (let round = 0; round < rounds; round++) {
    const layers = Array.from({ length: 4 }, (_, at) => ({
      size: random.int(1, 3 << 20),
      content: random.pick(["random", "text"] as const),
      seed: `${seed} ${round} ${at}`,
    }));
    const repository = `round${round}`;
    await upload(makeLayout(join(own.dir, repository), imageOf({ layers })), registry, repository, "1");
    const name = `kill.example/${repository}:1`;
    const kind = random.pick(KINDS);
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (kind === "a connection")
      mirror.setRules([{ path: /blobs/, times: 9, fault: faults.cutAfter(random.int(0, 500_000)) }]);
    const { child, ended } = berth.start("pull", name);
    // A client of a berthd that has gone does not try by itself.
    await interrupt[kind](() => child.kill("SIGKILL"));
    const { code } = await ended;
    if (code === 0) counts["was over"] = (counts["was over"] ?? 0) + 1;
    if (kind === "the registry") await mirror.up();
    mirror.setRules([]);

    const before = await here();
    const from = mirror.requests.length;
    const { code: again, stderr } = await berth("pull", name);
    counts.tries = (counts.tries ?? 0) + 1;
    assert.equal(again, 0, `round ${round}, ${kind}: ${stderr}`);
    for (const { method, path, headers } of mirror.requests.slice(from)) {
      const digest = /\/(?:blobs|manifests)\/(sha256:\w+)$/.exec(path)?.[1];
      if (method !== "GET" || digest === undefined || !path.includes("/blobs/")) continue;
      const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
      assert.equal(start, before.get(digest) ?? 0, `round ${round}, ${kind}: ${path} from ${start}`);
    }
    assert.match((await berth("image", "check", name)).stdout, /: complete$/m);
    // What an extraction has left that a kill cut short is garbage by now.
    await berthd.ctr("-n", namespace, "content", "prune", "references");
    assert.deepEqual(await left(), { leases: 0, ingests: 0, active: 0 }, `round ${round}, ${kind}`);
  }

  const names = (await berth("image", "ls", "-q")).stdout.trim().split("\n");
  for (const one of names) await berthd.ctr("-n", namespace, "images", "rm", "--sync", one);
  assert.deepEqual([...(await here()).keys()], []);
  t.diagnostic(JSON.stringify(counts));
});
