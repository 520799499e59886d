// What a command costs the whole machine, by the kernel's counters (proc_stat(5)), less what the machine does by itself.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "./interruption.ts";

export interface Costs {
  readonly contextSwitches: number;
  /** Processes and threads that were made. */
  readonly made: number;
  readonly processorMs: number;
}

/** A tick of proc_stat(5) in milliseconds (sysconf(_SC_CLK_TCK) is 100 on every architecture of Linux). */
const TICK_MS = 10;
const QUIET_MS = 3_000;

/** Of one call, over so many of them. */
export async function costsOf(times: number, call: () => unknown): Promise<Costs> {
  const quiet = await during(() => sleep(QUIET_MS, undefined, { signal: interruption }));
  const busy = await during(async () => {
    for (let count = 0; count < times; count++) {
      interruption.throwIfAborted();
      await call();
    }
  });
  const each = (key: keyof Costs) => (busy[key] - (quiet[key] * busy.ms) / quiet.ms) / times;
  return { contextSwitches: each("contextSwitches"), made: each("made"), processorMs: each("processorMs") };
}

/** What the whole machine has done meanwhile. */
export async function during(work: () => unknown): Promise<Costs & { ms: number }> {
  const before = counters();
  const begun = performance.now();
  await work();
  const ms = performance.now() - begun;
  const after = counters();
  return {
    ms,
    contextSwitches: after.contextSwitches - before.contextSwitches,
    made: after.made - before.made,
    processorMs: after.processorMs - before.processorMs,
  };
}

function counters(): Costs {
  const text = readFileSync("/proc/stat", "utf8");
  const numbers = (name: string) => (new RegExp(`^${name} +(.*)`, "m").exec(text)?.[1] ?? "").split(" ").map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = numbers("cpu");
  return {
    contextSwitches: numbers("ctxt")[0] ?? Number.NaN,
    made: numbers("processes")[0] ?? Number.NaN,
    processorMs: (user + nice + system + irq + softirq) * TICK_MS,
  };
}
