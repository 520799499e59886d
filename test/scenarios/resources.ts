// Figures and limits, held against the files of the cgroup (version 1, as on these machines).
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { unpackAny } from "@berth/proto";
import { Metrics } from "@berth/proto/io/containerd/cgroups/v1";
import { eventually } from "./expect.ts";
import { area, type Scenario, scenario } from "./scenario.ts";
import type { World } from "./world.ts";

const sleeper = ["sleep", "1000"];
const hog = ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"];
const fileOf = (w: World, id: string, controller: string, name: string) =>
  readFileSync(`/sys/fs/cgroup/${controller}/${w.stage.namespace}/${id}/${name}`, "utf8").trim();

async function metricsOf(w: World, id: string): Promise<Metrics> {
  const { metrics } = await w.tasks.metrics({ filters: [`id==${id}`] }, w.to);
  const data = metrics[0]?.data;
  const figures = data && unpackAny(Metrics, data);
  assert.ok(figures, `metrics of ${id}: ${data?.typeUrl}`);
  return figures;
}

const near = (actual: bigint | number | undefined, wanted: bigint | number, what: string): void => {
  const [a, b] = [Number(actual), Number(wanted)];
  assert.ok(Math.abs(a - b) <= Math.max(2 << 20, b / 2), `${what}: ${a}, in the cgroup ${b}`);
};

const hasV1 = existsSync("/sys/fs/cgroup/memory");

const scenarios: readonly Scenario[] = [
  scenario("metrics: memory and its limit", async (w) => {
    const box = await w.box(sleeper, { memoryLimit: 64 << 20 });
    await box.up();
    const { memory } = await metricsOf(w, box.id);
    assert.equal(Number(memory?.usage?.limit), 64 << 20);
    near(memory?.usage?.usage, BigInt(fileOf(w, box.id, "memory", "memory.usage_in_bytes")), "usage");
    near(memory?.usage?.max, BigInt(fileOf(w, box.id, "memory", "memory.max_usage_in_bytes")), "max");
    assert.equal(Number(memory?.hierarchicalMemoryLimit), 64 << 20);
    assert.ok(Number(memory?.totalPgFault) > 0);
    assert.ok(memory?.kernel && memory.kernelTcp);
  }),
  scenario("metrics: cpu", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.run("e", "sh", "-c", "i=0; while test $i -lt 20000; do i=$((i + 1)); done");
    const { cpu } = await metricsOf(w, box.id);
    const total = Number(cpu?.usage?.total);
    assert.ok(total > 1_000_000, `${total} ns`);
    assert.ok(total <= Number(fileOf(w, box.id, "cpuacct", "cpuacct.usage")));
    assert.ok((cpu?.usage?.perCpu.length ?? 0) >= 1);
    assert.ok(cpu?.throttling);
  }),
  scenario("metrics: pids", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", sleeper);
    // A start may be answered while the process is still the runtime's, with its threads: they count.
    await eventually("no more than the two", () => fileOf(w, box.id, "pids", "pids.current") === "2");
    assert.equal(Number((await metricsOf(w, box.id)).pids?.current), 2);
    await box.update({ pids: { limit: 99 } });
    assert.equal(Number((await metricsOf(w, box.id)).pids?.limit), 99);
  }),
  scenario("metrics: block devices and the control of memory", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const { blkio, memoryOomControl } = await metricsOf(w, box.id);
    assert.ok(blkio);
    assert.deepEqual([Number(memoryOomControl?.oomKillDisable), Number(memoryOomControl?.underOom)], [0, 0]);
  }),
  scenario("metrics of all containers, and by filter", async (w) => {
    const [one, two] = await Promise.all([w.box(sleeper), w.box(sleeper)]);
    await Promise.all([one.up(), two.up()]);
    const idsOf = async (filters: string[]) =>
      (await w.tasks.metrics({ filters }, w.to)).metrics.map(({ id }) => id).sort();
    const all = await idsOf([]);
    assert.ok(all.includes(one.id) && all.includes(two.id));
    assert.deepEqual(await idsOf([`id==${one.id}`, `id==${two.id}`]), [one.id, two.id].sort());
    assert.deepEqual(await idsOf(["id==ghost"]), []);
  }),
  scenario("update: memory, up and down", async (w) => {
    const box = await w.box(sleeper, { memoryLimit: 64 << 20 });
    await box.up();
    for (const limit of [96 << 20, 48 << 20]) {
      await box.update({ memory: { limit } });
      assert.equal(fileOf(w, box.id, "memory", "memory.limit_in_bytes"), `${limit}`);
    }
  }),
  scenario("update: cpu", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.update({ cpu: { shares: 512, quota: 50_000, period: 100_000 } });
    assert.equal(fileOf(w, box.id, "cpu", "cpu.shares"), "512");
    assert.equal(fileOf(w, box.id, "cpu", "cpu.cfs_quota_us"), "50000");
    assert.equal(fileOf(w, box.id, "cpu", "cpu.cfs_period_us"), "100000");
  }),
  scenario("update: cpuset", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.update({ cpu: { cpus: "0" } });
    assert.equal(fileOf(w, box.id, "cpuset", "cpuset.cpus"), "0");
  }),
  scenario("update: pids, and the limit holds", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    // The runtime needs some itself, for each exec.
    await box.update({ pids: { limit: 32 } });
    assert.equal(fileOf(w, box.id, "pids", "pids.max"), "32");
    assert.notEqual(await box.run("e", "sh", "-c", "i=0; while test $i -lt 40; do i=$((i + 1)); sleep 1 & done"), 0);
  }),
  scenario("update of a created container", async (w) => {
    const box = await w.box(sleeper);
    await box.create();
    await box.update({ pids: { limit: 55 } });
    await box.start();
    assert.equal(fileOf(w, box.id, "pids", "pids.max"), "55");
  }),
  scenario("update of a paused container leaves it paused", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.pause();
    await box.update({ memory: { limit: 64 << 20 } });
    assert.equal(await box.status(), "paused");
    assert.equal(fileOf(w, box.id, "freezer", "freezer.state"), "FROZEN");
  }),
  scenario("lack of memory: the exec is killed, and an event tells", async (w) => {
    const box = await w.box(sleeper, { memoryLimit: 16 << 20 });
    await box.up();
    assert.equal(await box.run("e", ...hog), 137);
    await w.events.until(box.id, "oom");
    assert.equal(await box.status(), "running");
    assert.ok(Number((await metricsOf(w, box.id)).memoryOomControl?.oomKill) >= 1);
  }),
  scenario("lack of memory: init is killed, and an event tells", async (w) => {
    const box = await w.box(["sh", "-c", `sleep 0.1; exec ${hog.join(" ")}`], { memoryLimit: 16 << 20 });
    await box.up();
    assert.equal(await box.wait(), 137);
    await w.events.until(box.id, "oom");
    await w.events.until(box.id, "exit");
  }),
  scenario("lack of memory below init: the event comes while the container goes on", async (w) => {
    const box = await w.box(["sh", "-c", `sleep 0.1; ${hog.join(" ")}; sleep 1000`], { memoryLimit: 16 << 20 });
    await box.up();
    await w.events.until(box.id, "oom");
    assert.equal(await box.status(), "running");
  }),
  scenario("enough memory: no event", async (w) => {
    const box = await w.box(["dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=4"], { memoryLimit: 64 << 20 });
    await box.up();
    assert.equal(await box.wait(), 0);
    await box.delete();
    await w.events.until(box.id, "delete");
    assert.ok(!w.events.story(box.id).includes("oom"));
  }),
  scenario("the cgroup goes with the container", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const path = `/sys/fs/cgroup/memory/${w.stage.namespace}/${box.id}`;
    assert.ok(existsSync(path));
    await box.down();
    await eventually("the cgroup is gone", () => !existsSync(path));
  }),
];

export const resources = area("resources", hasV1 ? scenarios : []);
