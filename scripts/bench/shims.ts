// The two shims under one containerd and one runc: what an exec through each takes, and what each weighs after a
// thousand of them and with a hundred containers. By itself: `node scripts/bench/shims.ts [execs] [containers]`.
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { connectGrpc } from "@berth/grpc";
import { typeUrls } from "@berth/proto";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { makeRootfs, ociProcess, ociSpec } from "../../test/support/bundle.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { type Memory, memoryOf, processesOf } from "./memory.ts";
import { format, ratios, sample } from "./statistics.ts";

type Pair<T> = Record<"ours" | "theirs", T>;

export interface ShimFigures {
  /** Milliseconds from Exec over Start and Wait to Delete, through containerd, one at a time. */
  readonly execMs: Pair<number[]>;
  /** With four at a time on all cores. */
  readonly execsPerSecondPerCore: Pair<number>;
  readonly afterExecs: Pair<Memory>;
  /** One entry a shim. */
  readonly together: Pair<Memory[]>;
}

const CORES = 2;
const AT_ONCE = 4;

export async function measureShims(shims: Pair<string>, execs: number, count: number): Promise<ShimFigures> {
  await using daemon = await startContainerd();
  using connection = connectGrpc(daemon.address);
  const [containers, tasks] = [connection.service(Containers), connection.service(Tasks)];
  const rootfs = makeRootfs(join(daemon.dir, "rootfs"));
  const to = { namespace: "bench", timeoutMs: 120_000 };
  const encode = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  const mounts = [{ type: "bind", source: rootfs, target: "", options: ["rbind", "rw"] }];

  const sleep = async (shim: string, id: string): Promise<void> => {
    const spec = ociSpec({ args: ["sleep", "100000"], cgroupsPath: `/berth-bench/${id}` });
    const record = { id, runtime: { name: shim }, spec: { typeUrl: typeUrls.spec, value: encode(spec) } };
    await containers.create({ container: record }, to);
    await tasks.create({ containerId: id, rootfs: mounts }, to);
    await tasks.start({ containerId: id }, to);
  };
  const end = async (id: string): Promise<void> => {
    await tasks.kill({ containerId: id, signal: 9 }, to);
    await tasks.wait({ containerId: id }, to);
    await tasks.delete({ containerId: id }, to);
    await containers.delete({ id }, to);
  };
  let number = 0;
  const process = { typeUrl: typeUrls.process, value: encode(ociProcess(["true"])) };
  const exec = async (containerId: string): Promise<number> => {
    const execId = `e${++number}`;
    const begun = performance.now();
    await tasks.exec({ containerId, execId, spec: process }, to);
    const exited = tasks.wait({ containerId, execId }, to);
    await tasks.start({ containerId, execId }, to);
    await exited;
    await tasks.deleteProcess({ containerId, execId }, to);
    return performance.now() - begun;
  };

  const id = (who: string, index: number) => `${who}${globalThis.process.pid}x${index}`;
  const whos = ["ours", "theirs"] as const;
  for (const who of whos) await sleep(shims[who], id(who, 0));
  const execMs: Pair<number[]> = { ours: [], theirs: [] };
  for (let round = 0; round < execs / 4; round++) for (const who of whos) execMs[who].push(await exec(id(who, 0)));
  const rate = async (who: (typeof whos)[number]): Promise<number> => {
    const total = (execs * 3) / 4;
    const begun = performance.now();
    const lanes = Array.from({ length: AT_ONCE }, async (_, lane) => {
      for (let at = lane; at < total; at += AT_ONCE) await exec(id(who, 0));
    });
    await Promise.all(lanes);
    return total / ((performance.now() - begun) / 1000) / CORES;
  };
  const execsPerSecondPerCore = { ours: await rate("ours"), theirs: await rate("theirs") };
  const memory = (who: (typeof whos)[number]) => processesOf(shims[who], daemon.address).map(memoryOf);
  const [ours, theirs] = [memory("ours")[0], memory("theirs")[0]];
  if (ours === undefined || theirs === undefined) throw new Error("a shim has gone");
  for (const who of whos) await end(id(who, 0));

  const together: Pair<Memory[]> = { ours: [], theirs: [] };
  for (const who of whos) {
    const ids = Array.from({ length: count }, (_, index) => id(who, index + 1));
    for (const name of ids) await sleep(shims[who], name);
    together[who] = memory(who);
    for (const name of ids) await end(name);
  }
  return { execMs, execsPerSecondPerCore, afterExecs: { ours, theirs }, together };
}

/** The value that one in a hundred is above. */
export const p99 = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN;

if (import.meta.main) {
  const [execs = 200, count = 20] = globalThis.process.argv.slice(2).map(Number);
  const ours = resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2");
  const figures = await measureShims({ ours, theirs: realpathSync("/usr/bin/containerd-shim-runc-v2") }, execs, count);
  console.log("exec ms", format(sample(figures.execMs.ours)), format(sample(figures.execMs.theirs)));
  console.log("ratio", format(ratios(figures.execMs.ours, figures.execMs.theirs)));
  console.log("p99", p99(figures.execMs.ours), p99(figures.execMs.theirs), figures.execsPerSecondPerCore);
  console.log("after", figures.afterExecs, "together", figures.together.ours[0], figures.together.theirs[0]);
}
