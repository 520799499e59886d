// Figures, limits and restores, held against the kernel's files and against containerd's own shim.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packAny, typeUrls, unpackAny } from "@berth/proto";
import { Options, ProcessDetails } from "@berth/proto/containerd/runc/v1";
import { Metrics } from "@berth/proto/io/containerd/cgroups/v1";
import { goShim } from "../support/berthd.ts";
import { type Daemon, openDaemon, type Shim, shimBinary, until } from "./harness.ts";

const hasV1 = existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes") ? false : "needs cgroup v1";
const sleeper = ["sleep", "1000"];

/** Also with the FIFO that containerd's shim insists on. */
async function running(
  daemon: Daemon,
  id: string,
  binary = shimBinary,
): Promise<{ shim: Shim; close(): Promise<void> }> {
  const bundle = join(daemon.top, "t", daemon.namespace, id);
  mkdirSync(bundle, { recursive: true });
  assert.equal(spawnSync("mkfifo", [join(bundle, "log")]).status, 0);
  const log = openSync(join(bundle, "log"), constants.O_RDWR | constants.O_NONBLOCK);
  const shim = await daemon.start(id, { args: sleeper, memoryLimit: 64 << 20 }, { binary });
  await shim.create();
  const { pid } = await shim.task.start({ id });
  // The runtime has let it go, but it may still be on its way to its program.
  await until(() => /^Name:\s+sleep\n(.*\n)*State:\s+S/.test(readFileSync(`/proc/${pid}/status`, "utf8")));
  return {
    shim,
    async close() {
      await shim.task.kill({ id, signal: 9 });
      await shim.task.wait({ id });
      await shim.task.delete({ id });
      await shim.task.shutdown({ id });
      closeSync(log);
    },
  };
}

const file = (daemon: Daemon, id: string, controller: string, name: string): string =>
  readFileSync(`/sys/fs/cgroup/${controller}/${daemon.namespace}/${id}/${name}`, "utf8").trim();

async function metricsOf({ task, id }: Shim): Promise<Metrics> {
  const { stats } = await task.stats({ id });
  const metrics = stats && unpackAny(Metrics, stats);
  assert.ok(metrics);
  return metrics;
}

/** `memory.usage.limit` and so on, with the value; lists by what they hold. */
function flat(value: unknown, path = ""): [string, unknown][] {
  if (typeof value !== "object" || value === null) return [[path, value]];
  if (Array.isArray(value)) {
    if (path.startsWith(".blkio") || path === ".hugetlb") {
      const keys = value.map((entry) => [entry.major, entry.minor, entry.op, entry.pagesize].join(" ").trim());
      return [[path, keys.sort().join(", ")]];
    }
    return [[path, value.length]];
  }
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, `${path}.${key}`));
}

function near(actual: bigint | undefined, wanted: string | undefined, slack: number, what: string): void {
  const distance = Math.abs(Number(actual) - Number(wanted));
  assert.ok(distance <= slack, `${what}: ${actual}, in the cgroup ${wanted}`);
}

describe("figures of cgroup v1", { skip: hasV1 }, () => {
  it("have every field that containerd's shim has, with the same limits", async () => {
    await using daemon = await openDaemon();
    const [ours, theirs] = [await running(daemon, "ours"), await running(daemon, "theirs", goShim)];
    const [own, other] = await Promise.all(
      [ours, theirs].map(async ({ shim }) => new Map(flat(await metricsOf(shim)))),
    );
    assert.ok(own && other);
    assert.deepEqual([...own.keys()].sort(), [...other.keys()].sort());
    const differences = [...own].filter(([path, value]) => {
      const theirValue = other.get(path);
      if (/limit|Limit|hugetlb$|blkio|Disable|perCpu/.test(path)) return value !== theirValue;
      // What is counted differs from run to run; whether it is counted at all does not. Faults and dirt come and go.
      if (
        /majFault|MajFault|dirty|Dirty|writeback|Writeback|swap\.|failcnt|kernelTcp|throttl|pgPgOut|PgPgOut/.test(path)
      )
        return typeof value !== typeof theirValue;
      if (/cache|Cache|mappedFile|MappedFile|File$|Huge$|Anon$|cpu\.usage/.test(path)) return false;
      return (value === 0n) !== (theirValue === 0n);
    });
    assert.deepEqual(
      differences.map(([path, value]) => `${path}: ${value}, theirs ${other.get(path)}`),
      [],
    );
    await ours.close();
    await theirs.close();
  });

  it("are what the kernel's files say", async () => {
    await using daemon = await openDaemon();
    const { shim, close } = await running(daemon, "m");
    const read = (controller: string, name: string) => file(daemon, "m", controller, name);
    const { memory, pids, cpu, hugetlb, memoryOomControl } = await metricsOf(shim);
    const stat = new Map(
      read("memory", "memory.stat")
        .split("\n")
        .map((line) => line.split(" ") as [string, string]),
    );
    assert.ok(memory && pids && cpu?.usage);
    // A sleeping process changes none of these, but the kernel adds up late what each CPU has counted.
    for (const [field, name] of [
      ["rss", "rss"], ["cache", "cache"], ["inactiveAnon", "inactive_anon"], ["activeAnon", "active_anon"],
      ["inactiveFile", "inactive_file"], ["activeFile", "active_file"], ["unevictable", "unevictable"],
      ["mappedFile", "mapped_file"], ["pgFault", "pgfault"], ["pgMajFault", "pgmajfault"], ["pgPgIn", "pgpgin"],
      ["pgPgOut", "pgpgout"], ["totalRss", "total_rss"], ["totalCache", "total_cache"], ["totalPgFault", "total_pgfault"],
      ["totalInactiveAnon", "total_inactive_anon"], ["totalActiveFile", "total_active_file"],
      ["hierarchicalMemoryLimit", "hierarchical_memory_limit"],
    ] as const) // biome-ignore format: a table
      near(memory[field], stat.get(name), /pg/.test(name) ? 64 : 512 << 10, name);
    for (const [entry, prefix] of [
      ["usage", "memory."],
      ["swap", "memory.memsw."],
      ["kernel", "memory.kmem."],
      ["kernelTcp", "memory.kmem.tcp."],
    ] as const) {
      const path = `/sys/fs/cgroup/memory/${daemon.namespace}/m/${prefix}limit_in_bytes`;
      if (!existsSync(path)) continue;
      assert.equal(String(memory[entry]?.limit), read("memory", `${prefix}limit_in_bytes`), prefix);
      near(memory[entry]?.usage, read("memory", `${prefix}usage_in_bytes`), 512 << 10, `${prefix}usage`);
      near(memory[entry]?.max, read("memory", `${prefix}max_usage_in_bytes`), 512 << 10, `${prefix}max`);
      assert.equal(String(memory[entry]?.failcnt), read("memory", `${prefix}failcnt`), prefix);
    }
    assert.equal(String(pids.current), read("pids", "pids.current"));
    assert.equal(pids.limit, 0n);
    assert.equal(String(cpu.usage.total), read("cpuacct", "cpuacct.usage"));
    assert.deepEqual(cpu.usage.perCpu.map(String), read("cpuacct", "cpuacct.usage_percpu").split(" "));
    assert.equal(
      hugetlb.every(({ pagesize }) => /^\d+[KMG]B$/.test(pagesize)),
      true,
    );
    assert.match(read("memory", "memory.oom_control"), new RegExp(`^oom_kill ${memoryOomControl?.oomKill}$`, "m"));
    await close();
  });
});

describe("update", { skip: hasV1 }, () => {
  it("writes every kind of limit that runc can change", async () => {
    await using daemon = await openDaemon();
    const { shim, close } = await running(daemon, "u");
    const update = (resources: object) =>
      shim.task.update({
        id: "u",
        resources: { typeUrl: typeUrls.linuxResources, value: new TextEncoder().encode(JSON.stringify(resources)) },
      });
    await update({
      memory: { limit: 96 << 20, reservation: 32 << 20, ...(hasSwap(daemon) ? { swap: 128 << 20 } : {}) },
      cpu: { shares: 512, quota: 40_000, period: 80_000, cpus: "0", mems: "0" },
      pids: { limit: 55 },
    });
    const wanted: [string, string, string][] = [
      ["memory", "memory.limit_in_bytes", String(96 << 20)],
      ["memory", "memory.soft_limit_in_bytes", String(32 << 20)],
      ...(hasSwap(daemon)
        ? [["memory", "memory.memsw.limit_in_bytes", String(128 << 20)] as [string, string, string]]
        : []),
      ["cpu", "cpu.shares", "512"],
      ["cpu", "cpu.cfs_quota_us", "40000"],
      ["cpu", "cpu.cfs_period_us", "80000"],
      ["cpuset", "cpuset.cpus", "0"],
      ["cpuset", "cpuset.mems", "0"],
      ["pids", "pids.max", "55"],
    ];
    for (const [controller, name, value] of wanted) assert.equal(file(daemon, "u", controller, name), value, name);
    const weight = ["blkio.bfq.weight", "blkio.weight"].find((name) =>
      existsSync(`/sys/fs/cgroup/blkio/${daemon.namespace}/u/${name}`),
    );
    if (weight !== undefined) {
      await update({ blockIO: { weight: 300 } });
      assert.equal(file(daemon, "u", "blkio", weight).replace("default ", ""), "300");
    }
    // One limit changes that one alone.
    await update({ pids: { limit: 66 } });
    assert.equal(file(daemon, "u", "pids", "pids.max"), "66");
    assert.equal(file(daemon, "u", "memory", "memory.limit_in_bytes"), String(96 << 20));
    await assert.rejects(update({ memory: { limit: 4096 } }), /unknown|busy|limit/i);
    await assert.rejects(update({ cpu: { cpus: "4095" } }), /cpuset\.cpus/);
    assert.equal((await shim.task.state({ id: "u" })).status, 2);
    await close();
  });
});

const hasSwap = (daemon: Daemon): boolean =>
  existsSync(`/sys/fs/cgroup/memory/${daemon.namespace}/u/memory.memsw.limit_in_bytes`);

describe("pids", () => {
  it("names the exec of a process, and only its first one", async () => {
    await using daemon = await openDaemon();
    const { shim, close } = await running(daemon, "p");
    const exec = await shim.exec("e1", ["sh", "-c", "sleep 1000 & wait"]);
    const init = (await shim.task.state({ id: "p" })).pid;
    const seen = async () => (await shim.task.pids({ id: "p" })).processes;
    let processes = await seen();
    while (processes.length < 3) processes = await seen();
    const named = processes.map(({ pid, info }) => [pid, info && unpackAny(ProcessDetails, info)?.execId] as const);
    assert.deepEqual(
      named.filter(([, id]) => id),
      [[exec, "e1"]],
    );
    assert.ok(named.some(([pid, id]) => pid === init && !id));
    await close();
  });
});

/** Stands for criu, which few kernels in test machines let work: what it restores is simply started. */
const restoring = (log: string): string => `#!/bin/sh
echo "$@" >>${log}
head=
while [ $# -gt 0 ]; do
  case $1 in
    restore) break ;;
    create | start | delete | kill | update) exec runc $head "$@" ;;
    *) head="$head $1" ;;
  esac
  shift
done
shift
for id; do :; done
while [ $# -gt 1 ]; do
  case $1 in
    --bundle) bundle=$2; shift ;;
    --pid-file) file=$2; shift ;;
    --image-path) [ -e "$2/ok" ] || exit 1; shift ;;
    --work-path) shift ;;
  esac
  shift
done
runc $head create --bundle "$bundle" --pid-file "$file" "$id" && runc $head start "$id"
`;

describe("restore", () => {
  it("happens at start: there is no process before, and a whole life behind", async () => {
    await using daemon = await openDaemon();
    const [runtime, calls, image] = ["runtime", "calls", "image"].map((name) => join(daemon.top, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(runtime, restoring(calls));
    chmodSync(runtime, 0o755);
    mkdirSync(image);
    const shim = await daemon.start("r", { args: ["sh", "-c", "sleep 0.2; exit 4"] });
    const { task, id } = shim;
    const options = packAny(Options, { root: join(daemon.top, "runc"), binaryName: runtime });
    assert.equal(await shim.create({ checkpoint: image, options }), 0);
    const before = await task.state({ id });
    assert.deepEqual([before.pid, before.status], [0, 1]);
    await assert.rejects(task.kill({ id, signal: 9 }), /no such container: not found/);
    // Nothing is there to be restored from: it stays created and can be tried again.
    await assert.rejects(task.start({ id }), /OCI runtime restore failed/);
    assert.equal((await task.state({ id })).status, 1);
    writeFileSync(join(image, "ok"), "");
    const { pid } = await task.start({ id });
    assert.equal((await task.state({ id })).pid, pid);
    assert.equal((await task.wait({ id })).exitStatus, 4);
    assert.deepEqual(daemon.story("r"), ["create", "start", "exit"]);
    const [line = ""] = readFileSync(calls, "utf8")
      .split("\n")
      .filter((each) => each.includes(" restore "));
    assert.match(line, new RegExp(`--image-path ${image} --work-path ${shim.bundle} --detach --no-subreaper`));
    await task.delete({ id });
    await task.shutdown({ id });
  });

  it("that never started is deleted without a process", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("d", { args: ["true"] });
    await shim.create({ checkpoint: join(daemon.top, "nothing") });
    const deleted = await shim.task.delete({ id: "d" });
    assert.deepEqual([deleted.pid, deleted.exitStatus], [0, 0]);
    await shim.task.shutdown({ id: "d" });
  });
});
