// The figures of io.containerd.cgroups.v2.Metrics, beside what the kernel's files say.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metrics } from "@berth/proto/io/containerd/cgroups/v2";

type Figures = Record<string, bigint>;

const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** Where each figure that is no line of memory.stat comes from: a file, and the key of its line if it has several. */
const sources: Readonly<Record<string, readonly [file: string, key?: string]>> = {
  "pids.current": ["pids.current"],
  "pids.limit": ["pids.max"],
  "cpu.usageUsec": ["cpu.stat", "usage_usec"],
  "cpu.userUsec": ["cpu.stat", "user_usec"],
  "cpu.systemUsec": ["cpu.stat", "system_usec"],
  "cpu.nrPeriods": ["cpu.stat", "nr_periods"],
  "cpu.nrThrottled": ["cpu.stat", "nr_throttled"],
  "cpu.throttledUsec": ["cpu.stat", "throttled_usec"],
  "memory.usage": ["memory.current"],
  "memory.usageLimit": ["memory.max"],
  "memory.swapUsage": ["memory.swap.current"],
  "memory.swapLimit": ["memory.swap.max"],
  "memoryEvents.low": ["memory.events", "low"],
  "memoryEvents.high": ["memory.events", "high"],
  "memoryEvents.max": ["memory.events", "max"],
  "memoryEvents.oom": ["memory.events", "oom"],
  "memoryEvents.oomKill": ["memory.events", "oom_kill"],
};

/** Fields that came after containerd 1.6: its shim leaves them out. */
const newer: Readonly<Record<string, readonly [file: string, key?: string]>> = {
  "cpu.nrBursts": ["cpu.stat", "nr_bursts"],
  "cpu.burstUsec": ["cpu.stat", "burst_usec"],
  "memory.maxUsage": ["memory.peak"],
  "memory.swapMaxUsage": ["memory.swap.peak"],
  "memoryEvents.oomGroupKill": ["memory.events", "oom_group_kill"],
};

const pressures = (["cpu", "memory", "io"] as const).flatMap((what) =>
  (["some", "full"] as const).map((who) => [what, who, `${what}.psi.${who}`] as const),
);

/** Fields of `memory` that have a line of the same name in memory.stat, apart from these two, which Linux 5.9 has split. */
const split = ["workingset_refault", "workingset_activate"];
const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

const lines = (path: string) => (existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : []);
const number = (word: string) => (word === "max" ? UNLIMITED : BigInt(word));

export function readFigures(cgroup: string): Figures {
  const figures: Figures = {};
  for (const [name, [file, key]] of Object.entries({ ...sources, ...newer })) {
    const line = lines(join(cgroup, file)).find((each) => key === undefined || each.startsWith(`${key} `));
    // A kernel that has no such file or line has nothing to tell, which is 0.
    figures[name] = line === undefined ? 0n : number(line.split(" ").at(-1) ?? "0");
  }
  for (const line of lines(join(cgroup, "memory.stat"))) {
    const [key = "", value = "0"] = line.split(" ");
    figures[`memory.${camel(key)}`] = number(value);
    for (const name of split)
      if (key === `${name}_anon` || key === `${name}_file`)
        figures[`memory.${camel(name)}`] = (figures[`memory.${camel(name)}`] ?? 0n) + number(value);
  }
  for (const [what, who, name] of pressures) {
    const line = lines(join(cgroup, `${what}.pressure`)).find((each) => each.startsWith(`${who} `));
    figures[`${name}.total`] = number(/total=(\d+)/.exec(line ?? "")?.[1] ?? "0");
  }
  for (const line of lines(join(cgroup, "io.stat"))) {
    const [device, ...words] = line.split(" ");
    for (const word of words) {
      const [key = "", value = "0"] = word.split("=");
      figures[`io.${device}.${key}`] = number(value);
    }
  }
  for (const file of readdirSync(cgroup)) {
    const size = /^hugetlb\.(.*)\.max$/.exec(file)?.[1];
    if (size === undefined || size.endsWith(".rsvd")) continue;
    figures[`hugetlb.${size}.current`] = number(lines(join(cgroup, `hugetlb.${size}.current`))[0] ?? "0");
    figures[`hugetlb.${size}.max`] = number(lines(join(cgroup, file))[0] ?? "0");
  }
  return figures;
}

/** Under the same names. Of the original's, without those that are newer than it. */
export function figuresOf(metrics: Metrics, shim: "go" | "berth"): Figures {
  const figures: Figures = {};
  for (const part of ["pids", "cpu", "memory", "memoryEvents"] as const)
    for (const [key, value] of Object.entries(metrics[part] ?? {}))
      if (typeof value === "bigint") figures[`${part}.${key}`] = value;
  for (const { major, minor, ...rest } of metrics.io?.usage ?? [])
    for (const [key, value] of Object.entries(rest)) figures[`io.${major}:${minor}.${key}`] = value;
  for (const { pagesize, current, max } of metrics.hugetlb) {
    figures[`hugetlb.${pagesize}.current`] = current;
    figures[`hugetlb.${pagesize}.max`] = max;
  }
  if (shim === "berth")
    for (const [what, who, name] of pressures) figures[`${name}.total`] = metrics[what]?.psi?.[who]?.total ?? -1n;
  else
    for (const name of [...Object.keys(newer), ...split.map((each) => `memory.${camel(each)}`)]) delete figures[name];
  return figures;
}
