// Where the time of `berth run --rm IMAGE true` goes: by the kernel's scheduler events (ftrace, in an instance of its own)
// the phases between the programs that start and end in it, with the context switches of the whole machine in each.
//   node scripts/trace-run.ts [ROUNDS]
// Run as root, after a build. Tracing itself adds some percent.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { startBerthd } from "../test/support/berthd.ts";
import { endOnSignals, interruption } from "./bench/interruption.ts";
import { makePlace } from "./bench/place.ts";
import { format, sample } from "./bench/statistics.ts";
import { writeBusyboxImage } from "./busybox-image.ts";

const client = resolve(import.meta.dirname, "../dist/bin/berth");
const image = "docker.io/library/busybox:latest";
/** Until V8 has compiled what a run needs. */
const WARM_UP = 20;

/** What ends a phase: a program that begins, or one that ends. Of several processes of a name the last one counts. */
interface Mark {
  readonly phase: string;
  readonly event: "exec" | "exit";
  /** Of the process, as the kernel cuts it to 15 characters. */
  readonly name: string;
  /** Whether it is the first of its kind, or the last. */
  readonly which: "first" | "last";
}

const marks: readonly Mark[] = [
  {
    phase: "client to the shim's launch: image, snapshot, spec, record, bundle",
    event: "exec",
    name: "containerd-shim",
    which: "first",
  },
  { phase: "the shim's start", event: "exit", name: "containerd-shim", which: "first" },
  { phase: "to runc: connection, Create, mount of the root", event: "exec", name: "runc", which: "first" },
  { phase: "runc create", event: "exit", name: "runc", which: "last" },
  { phase: "to the program: Create's answer, journal, exec.fifo", event: "exec", name: "true", which: "first" },
  { phase: "the program", event: "exit", name: "true", which: "last" },
  {
    phase: "exit told, output read, removal noted, to the client's end",
    event: "exit",
    name: "berth",
    which: "first",
  },
  {
    phase: "afterwards: task deleted, to the shim's end",
    event: "exit",
    name: "containerd-shim",
    which: "last",
  },
];

interface Line {
  readonly ms: number;
  readonly event: string;
  readonly name: string;
}

/** The lines of ftrace's `trace`: only of whole processes' ends, and in milliseconds. */
function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    const [, task = "", seconds = "", event = "", rest = ""] =
      /^\s*(.+)-\d+\s+\[\d+\] \S+\s+(\d+\.\d+): (\w+): (.*)$/.exec(line) ?? [];
    if (event === "" || (event === "sched_process_exit" && !rest.includes("group_dead=true"))) continue;
    const name =
      event === "sched_process_exec" ? (/filename=\S*?([^/ ]+) pid/.exec(rest)?.[1] ?? "").slice(0, 15) : task;
    lines.push({ ms: Number(seconds) * 1000, event: event.replace("sched_process_", ""), name });
  }
  return lines;
}

/** Milliseconds and context switches of each phase of one run. */
function phasesOf(lines: readonly Line[]): { ms: number; switches: number }[] {
  const begun = lines.find(({ event, name }) => event === "exec" && name === "berth");
  if (begun === undefined) throw new Error("the client's start was not seen");
  let from = begun.ms;
  return marks.map(({ event, name, which, phase }) => {
    const all = lines.filter((line) => line.event === event && line.name === name && line.ms >= from);
    const end = which === "first" ? all[0] : all.at(-1);
    if (end === undefined) throw new Error(`the end of "${phase}" was not seen`);
    const switches = lines.filter(
      (line) => line.event === "sched_switch" && line.ms >= from && line.ms < end.ms,
    ).length;
    const ms = end.ms - from;
    from = end.ms;
    return { ms, switches };
  });
}

function openTracing(): { trace(work: () => void): string } & Disposable {
  const root = mkdtempSync("/run/berth-tracing-");
  execFileSync("mount", ["-t", "tracefs", "tracefs", root]);
  const own = join(root, "instances", `berth-${process.pid}`);
  mkdirSync(own);
  const set = (file: string, value: string) => writeFileSync(join(own, file), value);
  set("trace_clock", "mono");
  set("buffer_size_kb", "8192");
  for (const event of ["sched_process_exec", "sched_process_exit", "sched_switch"])
    set(`events/sched/${event}/enable`, "1");
  return {
    trace(work) {
      set("trace", "");
      set("tracing_on", "1");
      work();
      set("tracing_on", "0");
      return readFileSync(join(own, "trace"), "utf8");
    },
    [Symbol.dispose]() {
      rmdirSync(own);
      execFileSync("umount", [root]);
      rmdirSync(root);
    },
  };
}

if (process.getuid?.() !== 0 || !existsSync(client)) throw new Error("run as root, after npm run build");
endOnSignals();
const rounds = Number(process.argv[2] ?? 20);
await using place = makePlace();
await using daemon = await startBerthd({ stateInMemory: true });
const archive = join(daemon.dir, "image.tar");
await writeBusyboxImage(archive, { format: "oci", name: image });
const berth = (...args: string[]) => execFileSync(client, ["-a", daemon.address, "-n", place.name, ...args]);
berth("image", "import", archive);
rmSync(archive);
const run = () => berth("run", "--rm", image, "true");
/** A list waits for what is leaving. */
const runToTheEnd = () => {
  run();
  berth("ps", "-a");
};
/** The last phase is nothing that a client waits for. */
const awaited = marks.length - 1;
for (let count = 0; count < WARM_UP; count++) run();
using tracing = openTracing();
const all: ReturnType<typeof phasesOf>[] = [];
while (all.length < rounds) {
  all.push(phasesOf(linesOf(tracing.trace(runToTheEnd))));
  await nextTurn(); // signals are heard between two runs
  interruption.throwIfAborted();
}
const column = (index: number, of: "ms" | "switches") => all.map((phases) => phases[index]?.[of] ?? Number.NaN);
const sums = (of: "ms" | "switches") =>
  all.map((phases) => phases.slice(0, awaited).reduce((sum, phase) => sum + phase[of], 0));
console.log(`| of \`berth run --rm IMAGE true\`, ${rounds} times | ms | context switches |\n|---|---|---|`);
for (const [index, { phase }] of marks.entries()) {
  if (index === awaited)
    console.log(`| all of it | ${format(sample(sums("ms")))} | ${format(sample(sums("switches")))} |`);
  console.log(`| ${phase} | ${format(sample(column(index, "ms")))} | ${format(sample(column(index, "switches")))} |`);
}
