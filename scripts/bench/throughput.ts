// How fast a container's output passes a shim, and what the shim spends on it: both shims under one containerd and one
// runc, taking turns. By itself: `node scripts/bench/throughput.ts [MiB] [rounds]`.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { connectGrpc } from "@berth/grpc";
import { typeUrls } from "@berth/proto";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { makeFifo } from "../../test/scenarios/streams.ts";
import { makeRootfs, ociSpec } from "../../test/support/bundle.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { endOnSignals, interruption } from "./interruption.ts";
import { processesOf } from "./memory.ts";
import { makePlace } from "./place.ts";
import { format, interleave, ratios, sample } from "./statistics.ts";

export const sinks = ["fifo", "file", "binary", "terminal"] as const;

/** Of one sink: MB/s of the container's output, and milliseconds of processor time that the shim took for each GiB. */
export interface Throughput {
  readonly sink: (typeof sinks)[number];
  readonly mib: number;
  readonly mbPerSecond: Record<"ours" | "theirs", number[]>;
  readonly cpuMsPerGiB: Record<"ours" | "theirs", number[]>;
}

export async function measureThroughput(
  shims: Record<"ours" | "theirs", string>,
  mib: number,
  rounds: number,
): Promise<Throughput[]> {
  await using place = makePlace();
  await using daemon = await startContainerd();
  using connection = connectGrpc(daemon.address);
  const rootfs = makeRootfs(join(daemon.dir, "rootfs"));
  // In memory: what a disk takes is no shim's doing.
  const folder = mkdtempSync("/dev/shm/berth-throughput-");
  const logger = join(folder, "logger");
  writeFileSync(logger, "#!/bin/sh\nexec 5>&-\nexec cat <&3 >/dev/null\n");
  chmodSync(logger, 0o755);
  let count = 0;
  const to = { namespace: place.name, timeoutMs: 120_000, signal: interruption };
  const [containers, tasks] = [connection.service(Containers), connection.service(Tasks)];

  const once = async (shim: string, sink: Throughput["sink"], mib: number): Promise<{ mb: number; cpu: number }> => {
    const id = `t${process.pid}-${++count}`;
    const terminal = sink === "terminal";
    const args = ["dd", "if=/dev/zero", "bs=64k", `count=${mib * 16}`];
    const spec = {
      typeUrl: typeUrls.spec,
      value: new TextEncoder().encode(JSON.stringify(ociSpec({ args, terminal, cgroupsPath: `/${place.name}/${id}` }))),
    };
    await containers.create({ container: { id, runtime: { name: shim }, spec } }, to);
    const path = join(folder, id);
    const fifo = sink === "fifo" || terminal;
    // containerd's shim wants both outputs where one is a FIFO or a file.
    const stderr = sink === "fifo" ? `${path}.err` : "";
    if (fifo) makeFifo(path);
    if (stderr !== "") makeFifo(stderr);
    using readers = new DisposableStack();
    const fifos = [...(fifo ? [path] : []), ...(stderr === "" ? [] : [stderr])];
    const read = Promise.all(fifos.map((name) => readers.use(readAway(name)).ended));
    const stdout = fifo ? path : sink === "file" ? `file://${path}` : `binary://${logger}?id=${id}`;
    const rootfsMounts = [{ type: "bind", source: rootfs, target: "", options: ["rbind", "ro"] }];
    await tasks.create(
      { containerId: id, rootfs: rootfsMounts, stdout, stderr: sink === "file" ? stdout : stderr, terminal },
      to,
    );
    const [pid] = processesOf(shim, id);
    if (pid === undefined) throw new Error(`${id} has no shim`);
    const [cpu, started] = [processorTime(pid), performance.now()];
    await tasks.start({ containerId: id }, to);
    const { exitStatus } = await tasks.wait({ containerId: id }, to);
    await read;
    const ms = performance.now() - started;
    const spent = processorTime(pid) - cpu;
    if (exitStatus !== 0) throw new Error(`dd ended with status ${exitStatus}`);
    if (sink === "file" && statSync(path).size < mib << 20) throw new Error(`${path} is not whole`);
    await tasks.delete({ containerId: id }, to);
    await containers.delete({ id }, to);
    for (const made of [path, `${path}.err`]) rmSync(made, { force: true });
    return { mb: (mib * 1.048576) / (ms / 1000), cpu: (spent * 1024) / mib };
  };

  try {
    const results: Throughput[] = [];
    for (const sink of sinks) {
      // The kernel hands a terminal's output on in pieces of 4 KiB: a tenth of the pace.
      const size = sink === "terminal" ? mib / 8 : mib;
      const cpuMsPerGiB = { ours: [] as number[], theirs: [] as number[] };
      const contender = (whose: "ours" | "theirs") => async () => {
        const { mb, cpu } = await once(shims[whose], sink, size);
        cpuMsPerGiB[whose].push(cpu);
        return mb;
      };
      const mbPerSecond = await interleave(rounds, { ours: contender("ours"), theirs: contender("theirs") });
      for (const values of Object.values(cpuMsPerGiB)) values.shift(); // the round that is not counted
      results.push({ sink, mib: size, mbPerSecond, cpuMsPerGiB });
    }
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads a FIFO to its end in a process of its own, which waits for a writer until it is disposed of. */
function readAway(path: string): Disposable & { readonly ended: Promise<void> } {
  const reader = spawn("dd", [`if=${path}`, "of=/dev/null", "bs=64k"], { stdio: "ignore" });
  const ended = new Promise<void>((done, fail) => {
    reader.once("exit", () => done()).once("error", fail);
  });
  return { ended, [Symbol.dispose]: () => void reader.kill("SIGKILL") };
}

/**
 * Milliseconds on a processor, of all its threads, also of those that have ended (utime and stime of proc_pid_stat(5), in
 * ticks of 10 ms).
 */
function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name may hold blanks and parentheses; the state behind it is field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) * 10;
}

if (import.meta.main) {
  endOnSignals();
  const [mib = 256, rounds = 3] = process.argv.slice(2).map(Number);
  const ours = process.env.SHIM ?? resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2");
  const theirs = realpathSync("/usr/bin/containerd-shim-runc-v2");
  for (const { sink, mbPerSecond, cpuMsPerGiB } of await measureThroughput({ ours, theirs }, mib, rounds))
    for (const [what, { ours, theirs }] of [
      ["MB/s", mbPerSecond],
      ["shim CPU ms/GiB", cpuMsPerGiB],
    ] as const)
      console.log(
        `${sink} ${what}: ${format(sample(ours))} | ${format(sample(theirs))} | ${format(ratios(ours, theirs))}`,
      );
}
