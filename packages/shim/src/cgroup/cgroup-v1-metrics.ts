// io.containerd.cgroups.v1.Metrics from the files of cgroup v1.
import type { Init } from "@berth/proto";
import type { BlkIOEntry, MemoryEntry, Metrics } from "@berth/proto/io/containerd/cgroups/v1";
import { parseKeyed, parseNumber, parseNumbers } from "./cgroup-files.ts";

/** Reads `name` in the directory of a controller; null where controller or file is missing. */
export type ReadV1 = (controller: string, name: string) => string | null;

/** memory.stat's names for the fields of MemoryStat; the `total_` ones follow from them. */
const memoryFields: readonly (readonly [string, string])[] = [
  ["cache", "cache"],
  ["rss", "rss"],
  ["rssHuge", "rss_huge"],
  ["mappedFile", "mapped_file"],
  ["dirty", "dirty"],
  ["writeback", "writeback"],
  ["pgPgIn", "pgpgin"],
  ["pgPgOut", "pgpgout"],
  ["pgFault", "pgfault"],
  ["pgMajFault", "pgmajfault"],
  ["inactiveAnon", "inactive_anon"],
  ["activeAnon", "active_anon"],
  ["inactiveFile", "inactive_file"],
  ["activeFile", "active_file"],
  ["unevictable", "unevictable"],
];

/** Clock ticks in cpuacct.stat are hundredths of a second on every architecture that Linux supports. */
const NANOSECONDS_PER_TICK = 10_000_000n;

export function metricsV1(read: ReadV1, hugePageSizes: readonly string[]): Init<Metrics> {
  const controls = parseKeyed(read("memory", "memory.oom_control"));
  return {
    hugetlb: hugePageSizes.map((pagesize) => ({
      usage: parseNumber(read("hugetlb", `hugetlb.${pagesize}.usage_in_bytes`)),
      max: parseNumber(read("hugetlb", `hugetlb.${pagesize}.max_usage_in_bytes`)),
      failcnt: parseNumber(read("hugetlb", `hugetlb.${pagesize}.failcnt`)),
      pagesize,
    })),
    pids: pids(read),
    cpu: cpu(read),
    memory: memory(read),
    blkio: blkio(read),
    memoryOomControl: {
      oomKillDisable: controls.oom_kill_disable ?? 0n,
      underOom: controls.under_oom ?? 0n,
      oomKill: controls.oom_kill ?? 0n,
    },
  };
}

function pids(read: ReadV1): Init<Metrics["pids"]> {
  const current = read("pids", "pids.current");
  if (current === null) return null;
  const max = read("pids", "pids.max");
  // No limit is 0 here, not the largest number.
  return { current: parseNumber(current), limit: max?.trim() === "max" ? 0n : parseNumber(max) };
}

function cpu(read: ReadV1): Init<Metrics["cpu"]> {
  const split = parseKeyed(read("cpuacct", "cpuacct.stat"));
  const throttling = parseKeyed(read("cpu", "cpu.stat"));
  return {
    usage: {
      total: parseNumber(read("cpuacct", "cpuacct.usage")),
      kernel: (split.system ?? 0n) * NANOSECONDS_PER_TICK,
      user: (split.user ?? 0n) * NANOSECONDS_PER_TICK,
      perCpu: parseNumbers(read("cpuacct", "cpuacct.usage_percpu")),
    },
    throttling: {
      periods: throttling.nr_periods ?? 0n,
      throttledPeriods: throttling.nr_throttled ?? 0n,
      throttledTime: throttling.throttled_time ?? 0n,
    },
  };
}

function memory(read: ReadV1): Init<Metrics["memory"]> {
  const stat = parseKeyed(read("memory", "memory.stat"));
  const out: Record<string, unknown> = {
    hierarchicalMemoryLimit: stat.hierarchical_memory_limit ?? 0n,
    hierarchicalSwapLimit: stat.hierarchical_memsw_limit ?? 0n,
  };
  for (const [field, name] of memoryFields) {
    out[field] = stat[name] ?? 0n;
    out[`total${field.slice(0, 1).toUpperCase()}${field.slice(1)}`] = stat[`total_${name}`] ?? 0n;
  }
  const entry = (module: string): Init<MemoryEntry> => ({
    limit: parseNumber(read("memory", `memory.${module}limit_in_bytes`)),
    usage: parseNumber(read("memory", `memory.${module}usage_in_bytes`)),
    max: parseNumber(read("memory", `memory.${module}max_usage_in_bytes`)),
    failcnt: parseNumber(read("memory", `memory.${module}failcnt`)),
  });
  out.usage = entry("");
  out.swap = entry("memsw.");
  out.kernel = entry("kmem.");
  out.kernelTcp = entry("kmem.tcp.");
  return out as Init<Metrics["memory"]>;
}

function blkio(read: ReadV1): Init<Metrics["blkio"]> {
  const list = (...names: readonly string[]): Init<BlkIOEntry>[] => {
    for (const name of names) {
      const text = read("blkio", `blkio.${name}`);
      if (text !== null && text.trim() !== "") return parseBlkio(text);
    }
    return [];
  };
  return {
    // bfq and cfq keep figures of their own; where neither runs only the throttle layer counts.
    ioServiceBytesRecursive: list(
      "io_service_bytes_recursive",
      "bfq.io_service_bytes_recursive",
      "throttle.io_service_bytes_recursive",
      "throttle.io_service_bytes",
    ),
    ioServicedRecursive: list(
      "io_serviced_recursive",
      "bfq.io_serviced_recursive",
      "throttle.io_serviced_recursive",
      "throttle.io_serviced",
    ),
    ioQueuedRecursive: list("io_queued_recursive"),
    ioServiceTimeRecursive: list("io_service_time_recursive"),
    ioWaitTimeRecursive: list("io_wait_time_recursive"),
    ioMergedRecursive: list("io_merged_recursive"),
    ioTimeRecursive: list("time_recursive"),
    sectorsRecursive: list("sectors_recursive"),
  };
}

/** `8:0 Read 4096`, `8:0 4096`; the line `Total 4096` has no device and is left out. */
export function parseBlkio(text: string): Init<BlkIOEntry>[] {
  const out: Init<BlkIOEntry>[] = [];
  for (const line of text.split("\n")) {
    const words = line.trim().split(" ");
    const device = (words[0] ?? "").split(":");
    if (device.length !== 2 || words.length < 2) continue;
    out.push({
      major: parseNumber(device[0] ?? null),
      minor: parseNumber(device[1] ?? null),
      op: words.length > 2 ? (words[1] ?? "") : "",
      value: parseNumber(words[words.length - 1] ?? null),
    });
  }
  return out;
}
