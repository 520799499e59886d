// io.containerd.cgroups.v2.Metrics from the files of cgroup v2.
import type { Init } from "@berth/proto";
import type { IOEntry, Metrics, PSIStats, RdmaEntry } from "@berth/proto/io/containerd/cgroups/v2";
import { parseKeyed, parseNumber, type ReadFile } from "./cgroup-files.ts";

/** memory.stat's names for the fields of MemoryStat; a field that is not listed has its own name. */
const memoryFields: readonly (readonly [string, string])[] = [
  ["anon", "anon"],
  ["file", "file"],
  ["kernelStack", "kernel_stack"],
  ["slab", "slab"],
  ["sock", "sock"],
  ["shmem", "shmem"],
  ["fileMapped", "file_mapped"],
  ["fileDirty", "file_dirty"],
  ["fileWriteback", "file_writeback"],
  ["anonThp", "anon_thp"],
  ["inactiveAnon", "inactive_anon"],
  ["activeAnon", "active_anon"],
  ["inactiveFile", "inactive_file"],
  ["activeFile", "active_file"],
  ["unevictable", "unevictable"],
  ["slabReclaimable", "slab_reclaimable"],
  ["slabUnreclaimable", "slab_unreclaimable"],
  ["pgfault", "pgfault"],
  ["pgmajfault", "pgmajfault"],
  ["workingsetRefault", "workingset_refault"],
  ["workingsetActivate", "workingset_activate"],
  ["workingsetNodereclaim", "workingset_nodereclaim"],
  ["pgrefill", "pgrefill"],
  ["pgscan", "pgscan"],
  ["pgsteal", "pgsteal"],
  ["pgactivate", "pgactivate"],
  ["pgdeactivate", "pgdeactivate"],
  ["pglazyfree", "pglazyfree"],
  ["pglazyfreed", "pglazyfreed"],
  ["thpFaultAlloc", "thp_fault_alloc"],
  ["thpCollapseAlloc", "thp_collapse_alloc"],
];

export function metricsV2(read: ReadFile, hugePageSizes: readonly string[]): Init<Metrics> {
  const events = parseKeyed(read("memory.events"));
  return {
    pids: { current: parseNumber(read("pids.current")), limit: parseNumber(read("pids.max")) },
    cpu: cpu(read),
    memory: memory(read),
    rdma: { current: parseRdma(read("rdma.current")), limit: parseRdma(read("rdma.max")) },
    io: { usage: parseIo(read("io.stat")), psi: parsePressure(read("io.pressure")) },
    hugetlb: hugePageSizes.map((pagesize) => ({
      current: parseNumber(read(`hugetlb.${pagesize}.current`)),
      max: parseNumber(read(`hugetlb.${pagesize}.max`)),
      failcnt: parseKeyed(read(`hugetlb.${pagesize}.events`)).max ?? 0n,
      pagesize,
    })),
    memoryEvents: {
      low: events.low ?? 0n,
      high: events.high ?? 0n,
      max: events.max ?? 0n,
      oom: events.oom ?? 0n,
      oomKill: events.oom_kill ?? 0n,
      oomGroupKill: events.oom_group_kill ?? 0n,
    },
  };
}

function cpu(read: ReadFile): Init<Metrics["cpu"]> {
  const stat = parseKeyed(read("cpu.stat"));
  return {
    usageUsec: stat.usage_usec ?? 0n,
    userUsec: stat.user_usec ?? 0n,
    systemUsec: stat.system_usec ?? 0n,
    nrPeriods: stat.nr_periods ?? 0n,
    nrThrottled: stat.nr_throttled ?? 0n,
    throttledUsec: stat.throttled_usec ?? 0n,
    nrBursts: stat.nr_bursts ?? 0n,
    burstUsec: stat.burst_usec ?? 0n,
    psi: parsePressure(read("cpu.pressure")),
  };
}

function memory(read: ReadFile): Init<Metrics["memory"]> {
  const stat = parseKeyed(read("memory.stat"));
  const out: Record<string, unknown> = {
    usage: parseNumber(read("memory.current")),
    usageLimit: parseNumber(read("memory.max")),
    maxUsage: parseNumber(read("memory.peak")),
    swapUsage: parseNumber(read("memory.swap.current")),
    swapLimit: parseNumber(read("memory.swap.max")),
    swapMaxUsage: parseNumber(read("memory.swap.peak")),
    psi: parsePressure(read("memory.pressure")),
  };
  for (const [field, name] of memoryFields) out[field] = stat[name] ?? 0n;
  // Split in two since Linux 5.9: containerd adds them up.
  if (stat.workingset_refault === undefined)
    out.workingsetRefault = (stat.workingset_refault_anon ?? 0n) + (stat.workingset_refault_file ?? 0n);
  if (stat.workingset_activate === undefined)
    out.workingsetActivate = (stat.workingset_activate_anon ?? 0n) + (stat.workingset_activate_file ?? 0n);
  return out as Init<Metrics["memory"]>;
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0` */
export function parseIo(text: string | null): Init<IOEntry>[] {
  const out: Init<IOEntry>[] = [];
  for (const line of (text ?? "").split("\n")) {
    const words = line.trim().split(" ");
    const device = (words[0] ?? "").split(":");
    if (device.length !== 2) continue;
    const of = (key: string): bigint => {
      const word = words.find((candidate) => candidate.startsWith(`${key}=`));
      return word === undefined ? 0n : parseNumber(word.slice(key.length + 1));
    };
    out.push({
      major: parseNumber(device[0] ?? null),
      minor: parseNumber(device[1] ?? null),
      rbytes: of("rbytes"),
      wbytes: of("wbytes"),
      rios: of("rios"),
      wios: of("wios"),
    });
  }
  return out;
}

/** `mlx4_0 hca_handle=2 hca_object=max`; no limit is the largest number of 32 bits. */
export function parseRdma(text: string | null): Init<RdmaEntry>[] {
  const out: Init<RdmaEntry>[] = [];
  for (const line of (text ?? "").split("\n")) {
    const [device = "", ...words] = line.trim().split(" ");
    if (words.length === 0) continue;
    const of = (key: string): number => {
      const word = words.find((candidate) => candidate.startsWith(`${key}=`));
      const value = parseNumber(word === undefined ? null : word.slice(key.length + 1));
      return value > 0xffff_ffffn ? 0xffff_ffff : Number(value);
    };
    out.push({ device, hcaHandles: of("hca_handle"), hcaObjects: of("hca_object") });
  }
  return out;
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and `full …`; null where the kernel has no PSI. */
export function parsePressure(text: string | null): Init<PSIStats> | null {
  if (text === null) return null;
  const line = (name: string): Init<PSIStats["some"]> => {
    const words = text
      .split("\n")
      .find((candidate) => candidate.startsWith(`${name} `))
      ?.split(" ");
    if (words === undefined) return null;
    const of = (key: string) => words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? "0";
    return {
      avg10: Number(of("avg10")),
      avg60: Number(of("avg60")),
      avg300: Number(of("avg300")),
      total: parseNumber(of("total")),
    };
  };
  return { some: line("some"), full: line("full") };
}
