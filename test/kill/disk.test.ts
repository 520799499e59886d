// A disk that is filled at random and freed again, under a berthd that is killed at every step of what it does, or loses its
// power: what it has acknowledged is there, and what runs can be listed, stopped and removed, however full the disk is.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { berthAt } from "../client/berth.ts";
import { createRandom } from "../fuzz/random.ts";
import type { Ended } from "../support/command.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { bundlesBelow, mountsBelow, processesNaming } from "../support/leftovers.ts";
import { startSupervisor } from "../support/supervisor.ts";
import { makeSmallDisk } from "./small-disk.ts";

const rounds = Number(process.env.BERTH_ROUNDS ?? (process.env.BERTH_LONG ? 200 : 12));
const seed = Number(process.env.BERTH_SEED ?? Date.now() % 1_000_000);
const MEGABYTES = 96;
const top = resolve(import.meta.dirname, "../..");
/** What changes something that outlives berthd. */
const STEPS = "fsync,fdatasync,rename,unlink,unlinkat,rmdir,mkdir,linkat,link,ftruncate,pwrite64,write".split(",");

interface Known {
  /** gone: its removal was acknowledged; unknown: a call about it was cut off. */
  state: "there" | "gone" | "unknown";
  /** Whether nothing but berthd was ended since it began to run. */
  runs: boolean;
}

it(`loses nothing over ${rounds} kills on a disk that is full at times (BERTH_SEED=${seed})`, async (t) => {
  const random = createRandom(seed);
  const namespace = `disk${process.pid}`;
  const dir = mkdtempSync("/run/berth-disk-");
  const files = mkdtempSync("/var/tmp/berth-disk-");
  const root = join(dir, "root");
  const state = join(dir, "state");
  const address = join(dir, "b.sock");
  const disk = makeSmallDisk(root, files, MEGABYTES);
  // Node itself, for strace lets go of a process that becomes another program.
  const launcher = join(dir, "launcher");
  const inject = join(dir, "inject");
  writeFileSync(inject, "");
  const node = `"${top}/dist/lib/node" --disable-warning=ExperimentalWarning --max-semi-space-size=1`;
  const program = `${node} "${top}/dist/lib/berthd/main.mjs"`;
  writeFileSync(
    launcher,
    `#!/bin/sh\nexport BERTHD_PROGRAM="${top}/dist/bin/berthd"\nexec $(cat ${inject}) ${program} "$@"\n`,
    { mode: 0o755 },
  );
  const command = [launcher, "--config", "/dev/null", "--root", root, "--state", state, "--address", address];
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(files, { recursive: true }));
  await using daemon = await startSupervisor({ address, dir, root, state, env: {}, command });
  const berth = await berthAt(address, namespace);

  const archives = Array.from({ length: 4 }, (_, at) => {
    const path = join(files, `image${at}.tar`);
    const blob = { path: "blob", content: createRandom(at).bytes((1 + 3 * at) << 20) };
    writeBusyboxImage(path, { format: "oci", name: imageName(at), extraLayers: [[blob]], compression: "none" });
    return path;
  });
  const base = join(files, "base.tar");
  writeBusyboxImage(base, { format: "oci", name: imageName("base") });
  const imported = await berth("image", "import", base);
  assert.equal(imported.code, 0, imported.stderr);

  const containers = new Map<string, Known>();
  const images = new Map<string, Known>([[imageName("base"), { state: "there", runs: false }]]);
  const counts = { acknowledged: 0, refused: 0, cut: 0, steps: 0, kills: 0, cuts: 0, full: 0, startsOnFull: 0 };
  const failures: string[] = [];
  let made = 0;
  let ended = false;

  /** What a call that may be refused on a full disk, or be cut off, has come to. */
  const outcome = (
    what: string,
    known: Known,
    then: Known["state"],
    { code, stderr }: Ended,
    mayBeFull: boolean,
  ): void => {
    if (code === 0) {
      known.state = then;
      counts.acknowledged++;
    } else {
      known.state = "unknown";
      if (ended) counts.cut++;
      else if (mayBeFull && /no space left|No space left/.test(stderr)) counts.refused++;
      else failures.push(`${what}: ${stderr.trim()}`);
    }
  };
  const pickThere = (map: Map<string, Known>): [string, Known] | null => {
    const there = [...map].filter(([name, known]) => known.state === "there" && name !== imageName("base"));
    return there.length === 0 ? null : random.pick(there);
  };
  const actions: Record<string, () => Promise<void> | void> = {
    async run() {
      const id = `c${made++}`;
      const known: Known = { state: "unknown", runs: false };
      containers.set(id, known);
      const result = await berth("run", "-d", "--name", id, imageName("base"), "sleep", "100000");
      known.runs = result.code === 0;
      outcome(`run ${id}`, known, "there", result, true);
    },
    async front() {
      const id = `front${made++}`;
      const known: Known = { state: "unknown", runs: false };
      containers.set(id, known);
      const result = await berth("run", "--rm", "--name", id, imageName("base"), "true");
      // A removal that the client could not have is said, and is none of the command's.
      if (result.code !== 0 || result.stderr === "") outcome(`run --rm ${id}`, known, "gone", result, true);
    },
    async hog() {
      const id = `hog${made++}`;
      const known: Known = { state: "unknown", runs: false };
      containers.set(id, known);
      const script = "cat /dev/zero > /fill; sleep 100000";
      outcome(
        `run ${id}`,
        known,
        "there",
        await berth("run", "-d", "--name", id, imageName("base"), "sh", "-c", script),
        true,
      );
    },
    async rm() {
      const [id, known] = pickThere(containers) ?? [];
      if (id === undefined || known === undefined) return;
      known.state = "unknown";
      outcome(`rm ${id}`, known, "gone", await berth("rm", "-f", id), false);
    },
    async stop() {
      const [id, known] = pickThere(containers) ?? [];
      if (id === undefined || known === undefined) return;
      const wasRunning = known.runs;
      known.runs = false;
      const { code, stderr } = await berth("stop", "-t", "1ms", id);
      if (code !== 0 && !ended && wasRunning && known.state === "there") failures.push(`stop ${id}: ${stderr.trim()}`);
    },
    async import() {
      const at = random.int(0, archives.length - 1);
      const known = images.get(imageName(at)) ?? { state: "unknown", runs: false };
      images.set(imageName(at), known);
      const before = known.state;
      const result = await berth("image", "import", archives[at] as string);
      outcome(`import ${at}`, known, "there", result, true);
      // A second import that fails leaves the first.
      if (result.code !== 0 && before === "there") known.state = "there";
    },
    async imageRm() {
      const [name, known] = pickThere(images) ?? [];
      if (name === undefined || known === undefined) return;
      known.state = "unknown";
      outcome(`image rm ${name}`, known, "gone", await berth("image", "rm", name), false);
    },
    fill() {
      disk.fill();
      counts.full++;
    },
    empty: () => disk.empty(),
  };
  const weights = { run: 6, front: 4, hog: 1, rm: 5, stop: 2, import: 4, imageRm: 2, fill: 3, empty: 3 };
  const deck = Object.entries(weights).flatMap(([name, weight]) => Array<string>(weight).fill(name));

  async function start(): Promise<void> {
    if (disk.free() < 64 << 10) counts.startsOnFull++;
    await daemon.restart();
  }

  for (let round = 0; round < rounds; round++) {
    const kind = random.pick(["step", "step", "kill", "power"] as const);
    ended = false;
    if (kind === "step") {
      const step = random.pick(STEPS);
      const last = { write: 400, pwrite64: 150 }[step] ?? 12;
      const when = random.int(1, last);
      // In place of the berthd that runs: it may be ended while it starts.
      await daemon.end("SIGKILL");
      writeFileSync(
        inject,
        `strace -D -qq -f -b execve -o /dev/null -e trace=${step} -e inject=${step}:signal=KILL:when=${when}`,
      );
      ended = true;
      counts.steps++;
      await start().catch(async () => {
        writeFileSync(inject, "");
        await start();
      });
      writeFileSync(inject, "");
    }
    const under: (Promise<void> | void)[] = [];
    for (let count = random.int(1, 4); count > 0; count--) {
      under.push(actions[random.pick(deck)]?.());
      if (random.chance(0.5)) await Promise.race([under.at(-1), new Promise((done) => setTimeout(done, 3_000))]);
    }
    // The moment of the end is what is random here; nothing is waited for.
    if (kind !== "step" || random.chance(0.5)) await new Promise((done) => setTimeout(done, random.int(0, 400)));
    ended = true;
    counts.kills++;
    await daemon.end("SIGKILL");
    if (kind === "power") {
      counts.cuts++;
      await endAll(dir);
      rmSync(state, { recursive: true, force: true });
      disk.cutPower();
      for (const known of containers.values()) known.runs = false;
    }
    await start();
    await Promise.all(under);
    ended = false;
    await check(`round ${round} (${kind})`);
  }

  async function listed(what: string): Promise<Map<string, string>> {
    const result = await berth(...(what === "ps" ? ["ps", "-a", "--json"] : ["image", "ls", "--json"]));
    assert.equal(result.code, 0, result.stderr);
    const lines = result.stdout.split("\n").filter((line) => line !== "");
    const entries = lines.map((line) => JSON.parse(line) as { id?: string; name?: string; status?: string });
    return new Map(entries.map(({ id, name, status }) => [id ?? name ?? "", status ?? ""]));
  }
  async function check(when: string): Promise<void> {
    let seen = await listed("ps");
    // What a start undoes is undone in the background.
    for (let look = 0; look < 200 && [...seen.values()].includes("created"); look++) {
      await new Promise((done) => setTimeout(done, 50));
      seen = await listed("ps");
    }
    for (const [id, { state: known, runs }] of containers) {
      const status = seen.get(id);
      if (known === "there") assert.ok(status !== undefined, `${when}: ${id} was acknowledged and is gone`);
      if (known === "there" && runs) assert.equal(status, "running", `${when}: ${id}`);
      if (known === "gone") assert.equal(status, undefined, `${when}: ${id} was removed`);
      assert.notEqual(status, "created", `${when}: ${id}`);
    }
    const names = await listed("images");
    for (const [name, { state: known }] of images) {
      if (known === "there") assert.ok(names.has(name), `${when}: ${name} was acknowledged and is gone`);
      if (known === "gone") assert.ok(!names.has(name), `${when}: ${name} was removed`);
    }
    assert.deepEqual(failures, [], when);
  }

  await t.test("on a full disk all that is there can be stopped and removed", async () => {
    disk.fill();
    for (const [id, status] of await listed("ps")) {
      if (status === "running") assert.equal((await berth("stop", "-t", "1ms", id)).code, 0, `stop ${id}`);
      const { code, stderr } = await berth("rm", "-f", id);
      assert.equal(code, 0, `rm ${id}: ${stderr}`);
    }
    assert.equal((await listed("ps")).size, 0);
  });

  await t.test("every image that was acknowledged runs, and every blob is what its name says", async () => {
    disk.empty();
    for (const [name, { state: known }] of images) {
      if (known !== "there") continue;
      const { code, stdout, stderr } = await berth("run", "--rm", name, "echo", "whole");
      assert.equal(`${code} ${stdout}`, "0 whole\n", `${name}: ${stderr}`);
    }
    const blobs = join(root, "io.containerd.content.v1.content/blobs/sha256");
    for (const name of readdirSync(blobs))
      assert.equal(
        createHash("sha256")
          .update(readFileSync(join(blobs, name)))
          .digest("hex"),
        name,
      );
  });

  await t.test("nothing is left once all is removed", async () => {
    for (const name of (await listed("images")).keys())
      await daemon.ctr("-n", namespace, "images", "rm", "--sync", name);
    // What a kill left without a record is put aside by a start for which the disk has room.
    await daemon.end("SIGTERM");
    await daemon.restart();
    const content = join(root, "io.containerd.content.v1.content");
    assert.deepEqual(readdirSync(join(content, "blobs/sha256")), []);
    assert.deepEqual(readdirSync(join(content, "ingest")), []);
    assert.deepEqual(readdirSync(join(root, "io.containerd.snapshotter.v1.overlayfs/snapshots")), []);
    assert.deepEqual(bundlesBelow(state), []);
    assert.deepEqual(mountsBelow(state), []);
    assert.deepEqual(
      processesNaming(dir).filter(({ command: line }) => line.includes("shim")),
      [],
    );
  });
  t.diagnostic(JSON.stringify(counts));
});

const imageName = (name: string | number): string => `docker.io/library/image-${name}:latest`;

/** All processes below a directory, at once, as a power cut does. */
async function endAll(dir: string): Promise<void> {
  const state = join(dir, "state");
  const inits = bundlesBelow(state).map((bundle) =>
    pidIn(join(state, "io.containerd.runtime.v2.task", bundle, "init.pid")),
  );
  // An init that runc is just making has no file yet, and a command line that names nobody: its environment does.
  const left = () => [...processesNaming(`${dir}/`), ...processesNaming(`=${dir}/`, "environ")].map((one) => one.pid);
  for (const pid of [...left(), ...inits]) end(pid);
  for (let pids = left(); pids.length > 0; pids = left()) {
    for (const pid of pids) end(pid);
    await new Promise((done) => setTimeout(done, 10));
  }
  // A mount that a process which is just going still holds cannot be taken away at once.
  for (const point of mountsBelow(state).reverse()) execFileSync("umount", ["-l", point]);
}

function pidIn(file: string): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

function end(pid: number): void {
  if (pid === 0) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
