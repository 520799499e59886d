// The promise that containers outlive the supervisor, under fire: berthd is killed at random points while containers
// start, write, run further processes and exit. Afterwards each is wholly there or wholly gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { connectGrpc } from "@berth/grpc";
import { TaskExit } from "@berth/proto/containerd/events";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { bundlesBelow, cgroupsOf, mountsBelow, processesNaming } from "../support/leftovers.ts";

const kills = Number(process.env.BERTH_KILLS ?? (process.env.BERTH_LONG ? 200 : 25));
const seed = Number(process.env.BERTH_SEED ?? Date.now() % 1_000_000);
const image = "docker.io/library/busybox:latest";
const client = join(import.meta.dirname, "../../dist/bin/berth");
const LINES = 8;
/** The status of what SIGKILL has ended. */
const KILLED = 137;
const script = `i=0; while [ $i -lt ${LINES} ]; do echo line $i; i=$((i+1)); sleep 0.02; done; exit `;
const expectedLog = Array.from({ length: LINES }, (_, index) => `line ${index}\n`).join("");

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

it(`leaves each container wholly there or wholly gone over ${kills} kills (BERTH_SEED=${seed})`, async (t) => {
  const random = randomFrom(seed);
  const namespace = `kill${process.pid}`;
  await using daemon = await startBerthd();

  const berth = (...args: string[]): Promise<Outcome> =>
    new Promise((done, fail) => {
      const child = spawn(client, ["-a", daemon.address, "-n", namespace, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk;
      });
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk;
      });
      child.on("error", fail);
      child.on("close", (code) => done({ status: code ?? -1, stdout, stderr }));
    });
  const must = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await berth(...args);
    assert.equal(status, 0, `berth ${args.join(" ")}: ${stderr}`);
    return stdout;
  };

  const archive = join(daemon.dir, "image.tar");
  await writeBusyboxImage(archive, { format: "oci", name: image });
  await must("image", "import", archive);
  await must("run", "-d", "--name", "steady", image, "sleep", "100000");

  // Exits as they are reported: by container, process and pid.
  const reported = new Map<string, number[]>();
  const broken: string[] = [];
  const listen = (): { stop(): Promise<void> } => {
    const abort = new AbortController();
    const connection = connectGrpc(daemon.address);
    const listening = (async () => {
      const filters = [`namespace==${namespace},topic=="/tasks/exit"`];
      try {
        for await (const { event } of connection
          .service(Events)
          .subscribe({ filters }, { signal: abort.signal, namespace })) {
          assert.ok(event);
          const exit = TaskExit.decode(event.value);
          const key = `${exit.containerId} ${exit.id} ${exit.pid}`;
          reported.set(key, [...(reported.get(key) ?? []), exit.exitStatus]);
        }
      } catch (error) {
        // The connection breaks with the supervisor: that is what this test does.
        if (!["unavailable", "canceled"].includes(kindOf(error))) broken.push(messageOf(error));
      }
    })();
    return {
      async stop() {
        abort.abort();
        await listening;
        connection.close();
      },
    };
  };

  const jobs = new Map<string, { code: number; outcome: Promise<Outcome> }>();
  const foreground: { id: string; code: number; outcome: Promise<Outcome> }[] = [];
  const execs: { code: number; outcome: Promise<Outcome> }[] = [];
  const removed = new Map<string, Promise<Outcome>>();
  let count = 0;
  const act = () => {
    const code = 1 + Math.floor(random() * 100);
    const kind = random();
    if (kind < 0.5) {
      const id = `job${count++}`;
      jobs.set(id, { code, outcome: berth("run", "-d", "--name", id, image, "sh", "-c", script + code) });
    } else if (kind < 0.65) {
      const id = `front${count++}`;
      foreground.push({ id, code, outcome: berth("run", "--rm", "--name", id, image, "sh", "-c", script + code) });
    } else if (kind < 0.9) {
      execs.push({ code, outcome: berth("exec", "steady", "sh", "-c", `sleep 0.05; exit ${code}`) });
    } else {
      const old = [...jobs.keys()].find((id) => !removed.has(id));
      if (old !== undefined) removed.set(old, jobs.get(old)?.outcome.then(() => berth("rm", "-f", old)) as never);
    }
  };

  let listener = listen();
  for (let kill = 0; kill < kills; kill++) {
    for (let actions = 1 + Math.floor(random() * 3); actions > 0; actions--) act();
    // The point of the kill is what is random here; nothing is waited for.
    await pause(random() * 250);
    await daemon.end("SIGKILL");
    await listener.stop();
    await daemon.restart();
    listener = listen();
  }

  // Let everything come to its end.
  const outcomes = new Map<string, Outcome>();
  for (const [id, { outcome }] of jobs) outcomes.set(id, await outcome);
  const removals = new Map<string, Outcome>();
  for (const [id, outcome] of removed) removals.set(id, await outcome);

  await t.test("detached containers have their exit status and every line, or do not exist", async () => {
    const listed = new Map(
      (await must("ps", "-a", "--json"))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { id: string; status: string })
        .map((entry) => [entry.id, entry.status] as const),
    );
    for (const [id, { code }] of jobs) {
      const started = (outcomes.get(id) as Outcome).status === 0;
      const removal = removals.get(id);
      if (removal?.status === 0) {
        assert.ok(!listed.has(id), `${id} was removed and is listed`);
        continue;
      }
      const status = listed.get(id);
      if (started && removal === undefined) assert.ok(status !== undefined, `${id} was started and is gone`);
      if (status === undefined || status === "not started" || status === "created") {
        assert.ok(!started || removal !== undefined, `${id} was started and is ${status ?? "gone"}`);
        continue;
      }
      // A removal that the kill cut off may have come as far as to kill it.
      const statuses = removal === undefined ? [code] : [code, KILLED];
      const ended = Number((await must("wait", id)).trim());
      assert.ok(statuses.includes(ended), `${id}: exit status ${ended} instead of ${statuses.join(" or ")}`);
      if (removal === undefined) assert.equal(await must("logs", id), expectedLog, `${id}: log`);
    }
  });

  await t.test("foreground containers and further processes end with their own status, or with an error", async () => {
    let finished = 0;
    for (const { code, outcome } of [...foreground, ...execs]) {
      const { status, stderr } = await outcome;
      if (status === code) finished++;
      else assert.equal(status, 125, `exit ${status} instead of ${code} or 125: ${stderr}`);
    }
    t.diagnostic(`${finished} of ${foreground.length + execs.length} reported their status through the kills`);
  });

  await t.test("what ran with --rm is not there any more once its client has ended", async () => {
    const listed = new Set((await must("ps", "-a", "-q")).split("\n"));
    for (const { id, code, outcome } of foreground) {
      const { status, stderr } = await outcome;
      if (status === code && stderr === "") assert.ok(!listed.has(id), `${id} has ended and is listed`);
    }
  });

  await t.test("no exit is reported twice or wrongly", () => {
    assert.deepEqual(broken, []);
    assert.notEqual(reported.size, 0);
    const twice = [...reported].filter(([, statuses]) => statuses.length > 1);
    assert.deepEqual(twice, []);
    for (const [key, [status]] of reported) {
      const id = key.split(" ")[0] as string;
      const job = jobs.get(id);
      if (job === undefined) continue;
      // A removal kills it, and so does the next start of berthd where the kill cut its run off before the answer.
      const killed = removed.has(id) || outcomes.get(id)?.status !== 0;
      const statuses = killed ? [job.code, KILLED] : [job.code];
      assert.ok(statuses.includes(status ?? -1), `exit event of ${key}: ${status} instead of ${statuses.join(" or ")}`);
    }
    t.diagnostic(`${reported.size} exits reported, each once`);
  });

  await t.test("nothing is left once all is removed", async () => {
    const ids = (await must("ps", "-a", "-q")).split("\n").filter((line) => line !== "");
    if (ids.length > 0) await must("rm", "-f", ...ids);
    await listener.stop();
    const keepers = processesNaming(daemon.dir).filter(({ command }) => command.includes("shim"));
    assert.deepEqual(keepers, []);
    assert.deepEqual(mountsBelow(daemon.dir), []);
    assert.deepEqual(bundlesBelow(daemon.state), []);
    assert.deepEqual(cgroupsOf(namespace), []);
    const runtimeState = join(daemon.state, "runc", namespace);
    assert.deepEqual(existsSync(runtimeState) ? readdirSync(runtimeState) : [], []);
    assert.deepEqual(readdirSync(join(daemon.state, "s")), []);
    const connection = connectGrpc(daemon.address);
    const left: string[] = [];
    for await (const { info } of connection.service(Snapshots).list({ snapshotter: "overlayfs" }, { namespace }))
      for (const entry of info) if (entry.kind !== 3) left.push(entry.name);
    connection.close();
    assert.deepEqual(left, []);
  });
});
