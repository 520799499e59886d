// `npm run bench`: berth beside Debian's containerd, the Go shim and the bare runtimes, in one run, taking turns. Prints
// the table and writes it into README.md. `--quick` takes a tenth of the rounds and writes nothing; `--hostile` measures
// hostile archives only, says what each costs, and writes nothing; `--pulls` measures pulls only, and writes nothing.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join, resolve } from "node:path";
import { startBerthd } from "../test/support/berthd.ts";
import { makeRootfs } from "../test/support/bundle.ts";
import { startContainerd } from "../test/support/containerd.ts";
import { mountState } from "../test/support/supervisor.ts";
import { costsOf } from "./bench/costs.ts";
import { measureClientsWithCrun, measureShimsWithCrun } from "./bench/crun.ts";
import { measureDaemonStarts } from "./bench/daemon-starts.ts";
import { type ExecTimes, type Rhythm, rhythms } from "./bench/execs.ts";
import { measureHostile } from "./bench/hostile.ts";
import { endOnSignals } from "./bench/interruption.ts";
import { buildLauncher } from "./bench/launcher.ts";
import { measureLifecycles } from "./bench/lifecycles.ts";
import type { Memory } from "./bench/memory.ts";
import { runcStateInMemory, withMounts } from "./bench/mounts.ts";
import type { Pair } from "./bench/pair.ts";
import { makePlace } from "./bench/place.ts";
import { measurePulls } from "./bench/pulls.ts";
import { measureShims } from "./bench/shims.ts";
import { measureStarts } from "./bench/starts.ts";
import { format, interleave, p99, ratios, type Sample, sample } from "./bench/statistics.ts";
import { measureThroughput } from "./bench/throughput.ts";
import { writeBusyboxImage } from "./busybox-image.ts";

const top = resolve(import.meta.dirname, "..");
const onlyHostile = process.argv.includes("--hostile");
const onlyPulls = process.argv.includes("--pulls");
const quick = process.argv.includes("--quick") || onlyHostile;
const rounds = quick ? 5 : 40;
const image = "docker.io/library/busybox:latest";
const client = join(top, "dist/bin/berth");
const shims = {
  ours: join(top, "dist/bin/containerd-shim-berth-v2"),
  theirs: realpathSync("/usr/bin/containerd-shim-runc-v2"),
};

interface Row {
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
  readonly ratio: string;
  readonly goal: string;
}
const rows: Row[] = [];

function add(row: Row): void {
  rows.push(row);
  console.log(`${row.what}: ${row.ours} | ${row.theirs} | ${row.ratio} | ${row.goal}`);
}

const withUnit = (values: Sample, unit: string): string => `${format(values)} ${unit}`.trim();

function row(what: string, unit: string, ours: readonly number[], theirs: readonly number[], goal = ""): void {
  const [mine, others] = [sample(ours), sample(theirs)];
  add({ what, ours: withUnit(mine, unit), theirs: withUnit(others, unit), ratio: format(ratios(ours, theirs)), goal });
}

const rowOfOurs = (what: string, unit: string, ours: readonly number[], goal = ""): void =>
  add({ what, ours: withUnit(sample(ours), unit), theirs: "", ratio: "", goal });

function memoryRows(state: string, { ours, theirs }: Pair<readonly Memory[]>): void {
  for (const [key, goal] of [
    ["rss", "≤ 2.8 MB"],
    ["pss", "≤ 0.33×"],
    ["uss", "≤ 1.2 MB, ≤ 0.3×"],
  ] as const) {
    const mb = (list: readonly Memory[]) => list.map((entry) => entry[key] / 1024);
    row(`shim ${key.toUpperCase()}, ${state}`, "MB", mb(ours), mb(theirs), goal);
  }
}

/** Runs a command to its end, which must be good. Milliseconds. */
function time(command: string, args: readonly string[]): number {
  const started = performance.now();
  const { status, error, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${status}: ${stderr}`);
  return performance.now() - started;
}

let count = 0;
const name = () => `b${process.pid}x${count++}`;

/** The shims alone, and both under one containerd. */
async function shimRows(folder: string): Promise<void> {
  const launcher = await buildLauncher(folder);
  const starts = await measureStarts({ shims, launcher, folder, rounds: quick ? 20 : 200 });
  row("shim `start` to a ready socket", "ms", starts.connected.ours, starts.connected.theirs, "≤ 0.3×");
  row("the same, to its first answer", "ms", starts.answered.ours, starts.answered.theirs);
  rowOfOurs("the least that a launch takes: a static `true`", "ms", starts.floor);

  const figures = await measureShims({
    shims,
    launcher,
    rounds: quick ? 50 : 500,
    blocks: quick ? { count: 2, execs: 20 } : { count: 5, execs: 100 },
    few: 10,
    many: quick ? 20 : 100,
  });
  memoryRows("10 containers", figures.idle);
  memoryRows(`after ${figures.served} execs`, figures.afterExecs);
  memoryRows(`${figures.together.ours.length} containers`, figures.together);
  execRows("runc", figures.execs);
  const { perSecondAndCore, processorMs } = figures.load;
  row("execs a second and core, four at a time", "", perSecondAndCore.ours, perSecondAndCore.theirs, "≥ 1×");
  row("processor time of each: daemon, shim, runtime", "ms", processorMs.ours, processorMs.theirs);
  execRows("crun", await measureShimsWithCrun({ shims, launcher, rounds: quick ? 20 : 200 }));

  // A container's output.
  const [mib, times] = quick ? [64, 1] : [1024, 5];
  for (const { sink, mib: size, mbPerSecond, cpuMsPerGiB } of await measureThroughput(shims, mib, times)) {
    row(`stdout to a ${sink}, ${size} MiB`, "MB/s", mbPerSecond.ours, mbPerSecond.theirs, "≥ 1×");
    row("the shim's processor time for 1 GiB of it", "ms", cpuMsPerGiB.ours, cpuMsPerGiB.theirs, "≤ 1×");
  }
}

function execRows(runtime: "runc" | "crun", execs: Record<Rhythm, ExecTimes>): void {
  const [goal, goalOfBare] = runtime === "runc" ? ["≤ 0.8×", ""] : ["", "near 1×"];
  for (const rhythm of rhythms) {
    const { ours, theirs, bare } = execs[rhythm];
    row(`exec with ${runtime} through containerd, by shim, ${rhythm}`, "ms", ours, theirs, goal);
    row(`the same / bare \`${runtime} exec\``, "ms", ours, bare, goalOfBare);
    if (runtime === "runc") row("the same by shim, the slowest of a hundred", "ms", [p99(ours)], [p99(theirs)], goal);
  }
}

const bundleBelow = (state: string, namespace: string, id: string): string =>
  join(state, "io.containerd.runtime.v2.task", namespace, id);

/** What people type. */
async function clientRows(folder: string): Promise<void> {
  await using place = makePlace();
  const archive = join(folder, "busybox.tar");
  await writeBusyboxImage(archive, { format: "oci", name: image });
  const bundle = join(folder, "bundle");
  mkdirSync(bundle);
  makeRootfs(join(bundle, "rootfs"));
  await using containerd = await startContainerd({ within: withMounts(runcStateInMemory), stateInMemory: true });
  await using berthd = await startBerthd({ stateInMemory: true });
  const ctr = (...args: string[]) => time("ctr", ["-a", containerd.address, "-n", place.name, ...args]);
  const berth = (...args: string[]) => time(client, ["-a", berthd.address, "-n", place.name, ...args]);
  const runcRoot = join(folder, "runc");
  mountState(runcRoot);
  using _mounted = { [Symbol.dispose]: () => void execFileSync("umount", ["-l", runcRoot]) };
  const runc = (...args: string[]) => time("runc", ["--root", runcRoot, ...args]);
  ctr("images", "import", archive);
  berth("image", "import", archive);

  const target = name();
  ctr("run", "-d", image, `c${target}`, "sleep", "1000");
  berth("run", "-d", "--name", target, image, "sleep", "1000");
  // The runtime by itself has the same to do as for berth: the specification of berth's own container. Its seccomp profile
  // alone is a fifth of what runc takes; ctr gives none, so a bare runtime without one is shown as well.
  const spec = JSON.parse(readFileSync(join(bundleBelow(berthd.state, place.name, target), "config.json"), "utf8"));
  const configure = (args: readonly string[], { seccomp = true } = {}) => {
    const linux = { ...spec.linux, cgroupsPath: `/${place.name}/bare`, ...(seccomp ? {} : { seccomp: undefined }) };
    const text = JSON.stringify({ ...spec, linux, process: { ...spec.process, args } });
    writeFileSync(join(bundle, "config.json"), text);
  };
  const runBare = (seccomp: boolean) => {
    configure(["true"], { seccomp });
    return runc("run", "--bundle", bundle, name());
  };
  const sleeping = name();
  configure(["sleep", "1000"]);
  // Its stdio is passed on to the container, so nobody may wait for the end of a pipe.
  execFileSync("runc", ["--root", runcRoot, "run", "-d", "--bundle", bundle, sleeping], { stdio: "ignore" });
  const exec = await interleave(rounds, {
    ours: async () => berth("exec", target, "true"),
    theirs: async () => ctr("tasks", "exec", "--exec-id", name(), `c${target}`, "true"),
    bare: async () => runc("exec", sleeping, "true"),
  });
  row("`berth exec` / `ctr tasks exec`", "ms", exec.ours, exec.theirs, "≤ 0.45×");
  row("the same / bare `runc exec`", "ms", exec.ours, exec.bare, "≤ 1.25×");
  runc("delete", "--force", sleeping);
  ctr("tasks", "delete", "--force", `c${target}`);

  // A whole container.
  const run = await interleave(rounds, {
    ours: async () => berth("run", "--rm", image, "true"),
    theirs: async () => ctr("run", "--rm", image, name(), "true"),
    alike: async () => ctr("run", "--rm", "--seccomp", image, name(), "true"),
    theirClient: async () =>
      time("ctr", ["-a", berthd.address, "-n", place.name, "run", "--rm", image, name(), "true"]),
    bare: async () => runBare(true),
    open: async () => runBare(false),
  });
  berth("rm", "-f", target);
  row(
    "`berth run --rm IMAGE true` / `ctr run --rm`, which has no seccomp profile",
    "ms",
    run.ours,
    run.theirs,
    "≤ 0.4×",
  );
  row("the same / `ctr run --rm --seccomp`", "ms", run.ours, run.alike);
  row("the same / bare `runc run` of the same specification", "ms", run.ours, run.bare);
  const over = run.ours.map((value, index) => value - (run.bare[index] ?? Number.NaN));
  rowOfOurs("the same, over bare `runc run`", "ms", over, "≤ 25 ms");
  row("bare `runc run` with the profile / without", "ms", run.bare, run.open);
  row("`ctr run --rm` on berthd / on containerd", "ms", run.theirClient, run.theirs, "≤ 0.8×");

  const costs = {
    ours: await costsOf(rounds, () => berth("run", "--rm", image, "true")),
    theirs: await costsOf(rounds, () => ctr("run", "--rm", image, name(), "true")),
  };
  for (const [key, what, unit] of [
    ["made", "processes and threads that a `run --rm` makes", ""],
    ["contextSwitches", "context switches of it, on the whole machine", ""],
    ["processorMs", "processor time of it, on the whole machine", "ms"],
  ] as const)
    row(what, unit, [costs.ours[key]], [costs.theirs[key]]);

  const crun = await measureClientsWithCrun({ client, archive, image, rounds, place, name, time });
  row("`run --rm` with crun under both", "ms", crun.run.ours, crun.run.theirs);
  row("`exec` with crun under both", "ms", crun.exec.ours, crun.exec.theirs);

  const starts = await measureDaemonStarts(quick ? 3 : 20, { ours: berthd, theirs: containerd });
  row("a daemon from its start to the first answer", "ms", starts.ours, starts.theirs, "≤ 120 ms");
}

/** The daemons themselves. */
async function daemonRows(): Promise<void> {
  const many = quick ? 40 : 1000;
  const options = { rounds: quick ? 2 : 10, each: quick ? 10 : 40, clients: 4, many };
  const { one, together, memory } = await measureLifecycles(options);
  row("lives of containers a second over the API, one client", "", one.ours, one.theirs);
  row("the same, 4 clients", "", together.ours, together.theirs, "≥ 1.5×");
  const mb = (kilobytes: number) => [kilobytes / 1024];
  row("the daemon's RSS at rest", "MB", mb(memory.start.ours), mb(memory.start.theirs), "≤ 65 MB");
  const { once, twice } = memory;
  row(`the same after ${many} lives and more`, "MB", mb(once.ours), mb(once.theirs), "≤ 85 MB");
  row(`the same after ${many} more`, "MB", mb(twice.ours), mb(twice.theirs), "flat");
}

/** Images from a registry. */
async function pullRows(): Promise<void> {
  for (const { what, wall, processor, memory, again } of await measurePulls(quick ? 2 : 7, { quick })) {
    row(`pull of ${what}`, "ms", wall.ours, wall.theirs, "≤ 0.5×");
    row("processor time of it, on the whole machine", "ms", processor.ours, processor.theirs, "≤ 0.7×");
    row("most memory of daemon, client and helpers", "MB", [memory.ours], [memory.theirs], "≤ 1.5×");
    row("the same pull where all of it is here", "ms", again.ours, again.theirs, "≤ 50 ms");
  }
}

/** What others may ask of berthd, and what it may cost. */
async function hostileRows(): Promise<void> {
  const { archives, answers, peakBytes, versions } = await measureHostile();
  if (onlyHostile)
    for (const { title, ms, versionMs } of answers)
      console.log(`${ms.toFixed(0).padStart(6)} ms, version ${versionMs.toFixed(0).padStart(4)} ms: ${title}`);
  const slowest = Math.max(...answers.map(({ ms }) => ms));
  rowOfOurs(`the slowest answer to one of ${archives} hostile archives`, "ms", [slowest], "≤ 10000 ms");
  rowOfOurs("berthd's most memory at that", "MB", [peakBytes / 1e6], "≤ 256 MB");
  rowOfOurs("another client's `version` at that, the slowest of a hundred", "ms", [p99(versions)], "≤ 100 ms");
  rowOfOurs("the slowest of all", "ms", [Math.max(...versions)], "≤ 100 ms");
}

endOnSignals();
const folder = mkdtempSync("/run/berth-bench-");
try {
  if (onlyPulls) await pullRows();
  else if (!onlyHostile) {
    await shimRows(folder);
    await clientRows(folder);
    await daemonRows();
    await pullRows();
  }
  if (!onlyPulls) await hostileRows();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const version = (command: string, ...args: string[]) =>
  /\d+\.\d+(\.\d+)?/.exec(execFileSync(command, args, { encoding: "utf8" }))?.[0] ?? "?";
const table = [
  `Taking turns, ${rounds} rounds or more, on ${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}; ` +
    `containerd ${version("containerd", "--version")}, runc ${version("runc", "--version")} or crun ` +
    `${version("crun", "--version")} under both. State directories are a tmpfs, as /run is, roots are on the disk.`,
  "",
  "| | berth | containerd, or what is named | ratio | goal |",
  "|---|---|---|---|---|",
  ...rows.map((entry) => `| ${entry.what} | ${entry.ours} | ${entry.theirs} | ${entry.ratio} | ${entry.goal} |`),
].join("\n");
console.log(`\n${table}`);
if (!quick && !onlyPulls) {
  const path = join(top, "README.md");
  const text = readFileSync(path, "utf8");
  const replaced = text.replace(
    /<!-- bench:start -->[\s\S]*<!-- bench:end -->/,
    `<!-- bench:start -->\n${table}\n<!-- bench:end -->`,
  );
  writeFileSync(path, replaced);
}
