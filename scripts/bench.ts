// `npm run bench`: berth beside Debian's containerd and bare runc, in one run, taking turns. Prints the table and
// writes it into README.md. `--quick` takes a tenth of the rounds and writes nothing.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join, resolve } from "node:path";
import { startBerthd } from "../test/support/berthd.ts";
import { makeRootfs } from "../test/support/bundle.ts";
import { startContainerd } from "../test/support/containerd.ts";
import { measureWithCrun } from "./bench/crun.ts";
import { buildLauncher } from "./bench/launcher.ts";
import { memoryOf, processesOf } from "./bench/memory.ts";
import { measureShims, p99 } from "./bench/shims.ts";
import { measureStarts } from "./bench/starts.ts";
import { format, interleave, ratios, type Sample, sample } from "./bench/statistics.ts";
import { measureThroughput } from "./bench/throughput.ts";
import { writeBusyboxImage } from "./busybox-image.ts";

const top = resolve(import.meta.dirname, "..");
const quick = process.argv.includes("--quick");
const rounds = quick ? 5 : 40;
const image = "docker.io/library/busybox:latest";
const client = join(top, "dist/bin/berth");
const ownShim = join(top, "dist/bin/containerd-shim-berth-v2");
const goShim = realpathSync("/usr/bin/containerd-shim-runc-v2");

interface Row {
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
  readonly ratio: string;
  readonly goal: string;
}
const rows: Row[] = [];

const row = (what: string, unit: string, ours: readonly number[], theirs: readonly number[], goal: string): void => {
  const show = (values: Sample) => `${format(values)} ${unit}`;
  rows.push({
    what,
    ours: show(sample(ours)),
    theirs: show(sample(theirs)),
    ratio: format(ratios(ours, theirs)),
    goal,
  });
  console.log(rows.at(-1));
};

/** Runs a command to its end, which must be good. Milliseconds. */
function time(command: string, args: readonly string[]): number {
  const started = performance.now();
  const { status, error, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${status}: ${stderr}`);
  return performance.now() - started;
}

const folder = mkdtempSync("/run/berth-bench-");
try {
  const archive = join(folder, "busybox.tar");
  await writeBusyboxImage(archive, { format: "oci", name: image });
  const bundle = join(folder, "bundle");
  mkdirSync(bundle);
  makeRootfs(join(bundle, "rootfs"));
  // What containerd's client would run.
  const spec = JSON.parse(execFileSync("ctr", ["oci", "spec"], { encoding: "utf8" }));
  spec.process.args = ["true"];
  spec.process.env = ["PATH=/bin"];
  spec.linux.cgroupsPath = "/berth-bench/bare";
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));

  await using containerd = await startContainerd();
  await using berthd = await startBerthd();
  execFileSync("ctr", ["-a", containerd.address, "images", "import", archive], { stdio: "ignore" });
  execFileSync(client, ["-a", berthd.address, "image", "import", archive], { stdio: "ignore" });

  let count = 0;
  const name = () => `b${process.pid}x${count++}`;
  const ctr = (...args: string[]) => time("ctr", ["-a", containerd.address, ...args]);
  const berth = (...args: string[]) => time(client, ["-a", berthd.address, ...args]);

  // Memory: ten containers each, at rest.
  const sleepers = Array.from({ length: 10 }, () => name());
  for (const id of sleepers) {
    ctr("run", "-d", image, `c${id}`, "sleep", "1000");
    berth("run", "-d", "--name", id, image, "sleep", "1000");
  }
  const memory = (shim: string, address: string) => processesOf(shim, address).map(memoryOf);
  const ours = memory(ownShim, berthd.address);
  const theirs = memory(goShim, containerd.address);
  if (ours.length !== 10 || theirs.length !== 10) throw new Error(`${ours.length} and ${theirs.length} shims, not 10`);
  for (const [key, label, goal] of [
    ["rss", "shim RSS, 10 containers", "< 3.45 MB"],
    ["pss", "shim PSS, 10 containers", "≤ 0.33×"],
    ["uss", "shim USS, 10 containers", ""],
  ] as const) {
    const mb = (list: typeof ours) => list.map((entry) => entry[key] / 1024);
    row(label, "MB", mb(ours), mb(theirs), goal);
  }

  // exec into one of them; and the runtime alone into a container of its own.
  const target = sleepers[0] as string;
  const runcRoot = join(folder, "runc");
  const runc = (...args: string[]) => time("runc", ["--root", runcRoot, ...args]);
  const sleeping = name();
  writeFileSync(
    join(bundle, "config.json"),
    JSON.stringify({ ...spec, process: { ...spec.process, args: ["sleep", "1000"] } }),
  );
  // Its stdio is passed on to the container, so nobody may wait for the end of a pipe.
  execFileSync("runc", ["--root", runcRoot, "run", "-d", "--bundle", bundle, sleeping], { stdio: "ignore" });
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  const exec = await interleave(rounds, {
    ours: async () => berth("exec", target, "true"),
    theirs: async () => ctr("tasks", "exec", "--exec-id", name(), `c${target}`, "true"),
    bare: async () => runc("exec", sleeping, "true"),
  });
  row("`berth exec` / `ctr tasks exec`", "ms", exec.ours, exec.theirs, "≤ 0.5×");
  row("the same / bare `runc exec`", "ms", exec.ours, exec.bare, "");
  runc("delete", "--force", sleeping);
  for (const id of sleepers) {
    ctr("tasks", "delete", "--force", `c${id}`);
    berth("rm", "-f", id);
  }

  // Launch of the shim alone.
  const launcher = await buildLauncher(folder);
  const shims = { ours: ownShim, theirs: goShim };
  const start = await measureStarts({ shims, launcher, folder, rounds: quick ? 20 : 200 });
  row("shim `start` to a ready socket", "ms", start.connected.ours, start.connected.theirs, "≤ 0.3×");
  row("the same, to its first answer", "ms", start.answered.ours, start.answered.theirs, "");
  rows.push({
    what: "the least that a launch takes: a static `true`",
    ours: `${format(sample(start.floor))} ms`,
    theirs: "",
    ratio: "",
    goal: "",
  });

  // Both shims under one containerd.
  const [execs, together] = quick ? [40, 5] : [1000, 100];
  const figures = await measureShims({ ours: ownShim, theirs: goShim }, execs, together);
  row("exec through containerd, by shim", "ms", figures.execMs.ours, figures.execMs.theirs, "≤ 0.8×");
  row("the same, the slowest of a hundred", "ms", [p99(figures.execMs.ours)], [p99(figures.execMs.theirs)], "");
  const rate = figures.execsPerSecondPerCore;
  row("execs a second and core, four at a time", "", [rate.ours], [rate.theirs], "≥ 1×");
  const after = figures.afterExecs;
  row(`shim RSS after ${execs} execs`, "MB", [after.ours.rss / 1024], [after.theirs.rss / 1024], "≤ 2.8 MB");
  for (const key of ["rss", "pss", "uss"] as const) {
    const [mine, others] = [figures.together.ours, figures.together.theirs].map((list) =>
      list.map((entry) => entry[key] / 1024),
    ) as [number[], number[]];
    row(`shim ${key.toUpperCase()}, ${together} containers`, "MB", mine, others, "");
  }

  // A container's output.
  const [mib, times] = quick ? [64, 1] : [1024, 5];
  for (const { sink, mib: size, mbPerSecond, cpuMsPerGiB } of await measureThroughput(
    { ours: ownShim, theirs: goShim },
    mib,
    times,
  )) {
    row(`stdout to a ${sink}, ${size} MiB`, "MB/s", mbPerSecond.ours, mbPerSecond.theirs, "≥ 1×");
    row(`the shim's processor time for 1 GiB of it`, "ms", cpuMsPerGiB.ours, cpuMsPerGiB.theirs, "≤ 1×");
  }

  // A whole container.
  const run = await interleave(rounds, {
    ours: async () => berth("run", "--rm", image, "true"),
    theirs: async () => ctr("run", "--rm", image, name(), "true"),
    bare: async () => runc("run", "--bundle", bundle, name()),
  });
  row("`berth run --rm IMAGE true` / `ctr run --rm`", "ms", run.ours, run.theirs, "≤ 0.4×");
  const over = run.ours.map((value, index) => value - (run.bare[index] ?? Number.NaN));
  row("the same / bare `runc run`", "ms", run.ours, run.bare, "");
  rows.push({
    what: "the same, over bare `runc run`",
    ours: `${format(sample(over))} ms`,
    theirs: "",
    ratio: "",
    goal: "≤ 20 ms",
  });

  const crun = await measureWithCrun({ client, archive, image, rounds, name, time });
  row("`run --rm` with crun under both", "ms", crun.run.ours, crun.run.theirs, "");
  row("`exec` with crun under both", "ms", crun.exec.ours, crun.exec.theirs, "");

  // From the start of berthd, on a root that it knows, to an answer.
  const starts: number[] = [];
  for (let count = 0; count < (quick ? 3 : 10); count++) {
    await berthd.end("SIGTERM");
    await berthd.restart();
    starts.push(berthd.startMs);
  }
  rows.push({
    what: "berthd from its start to the first answer",
    ours: `${format(sample(starts))} ms`,
    theirs: "",
    ratio: "",
    goal: "< 500 ms",
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const version = (command: string, ...args: string[]) =>
  /\d+\.\d+\.\d+/.exec(execFileSync(command, args, { encoding: "utf8" }))?.[0] ?? "?";
const table = [
  `${rounds} rounds, taking turns, on ${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}; containerd ` +
    `${version("containerd", "--version")}, runc ${version("runc", "--version")} under both.`,
  "",
  "| | berth | containerd | ratio | goal |",
  "|---|---|---|---|---|",
  ...rows.map((entry) => `| ${entry.what} | ${entry.ours} | ${entry.theirs} | ${entry.ratio} | ${entry.goal} |`),
].join("\n");
console.log(`\n${table}`);
if (!quick) {
  const path = join(top, "README.md");
  const text = readFileSync(path, "utf8");
  const replaced = text.replace(
    /<!-- bench:start -->[\s\S]*<!-- bench:end -->/,
    `<!-- bench:start -->\n${table}\n<!-- bench:end -->`,
  );
  writeFileSync(path, replaced);
}
