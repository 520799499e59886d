// Pulls of images of several kinds, by berth and by ctr on containerd, from the same registry: time, processor time of the
// whole machine, and the memory of all that works at it.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startBerthd } from "../../test/support/berthd.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import type { TarEntry } from "../../test/support/image.ts";
import { startRegistry } from "../../test/support/registry/docker-registry.ts";
import { imageOf, type Part } from "../../test/support/registry/image-parts.ts";
import { makeLayout } from "../../test/support/registry/layout.ts";
import { upload } from "../../test/support/registry/upload.ts";
import type { Supervisor } from "../../test/support/supervisor.ts";
import { during } from "./costs.ts";
import { interruption } from "./interruption.ts";
import type { Pair, Who } from "./pair.ts";

const MIB = 1 << 20;
/** After which what was removed before is off the disk, and nobody is busy with it. */
const REST_MS = 3_000;
const SAMPLE_MS = 100;
/** Nobody's layer has larger files, but for those that are made for it. */
const LARGEST_FILE = 20 * MIB;

export interface PullKind {
  readonly what: string;
  readonly wall: Pair<number[]>;
  readonly processor: Pair<number[]>;
  /** Megabytes resident of the daemon, its children and the client together, at most. */
  readonly memory: Pair<number>;
  /** Milliseconds where all of it is here. */
  readonly again: Pair<number[]>;
}

/** `size`: a tenth of everything for a quick look. */
const kinds = (size: number): readonly { readonly what: string; readonly make: () => Part }[] => [
  {
    what: `${480 / size} MiB of this machine's /usr in 8 layers of gzip`,
    make: () => imageOf({ layers: usrLayers(8, (60 * MIB) / size) }),
  },
  {
    what: `the same in 4 layers of zstd, ${240 / size} MiB`,
    make: () => imageOf({ layers: usrLayers(4, (60 * MIB) / size), compression: "zstd" }),
  },
  {
    what: `${20_000 / size} files of 200 bytes in one layer`,
    make: () => imageOf({ layers: [smallFiles(20_000 / size)] }),
  },
  {
    what: `one layer of ${1000 / size} MiB that does not compress`,
    make: () => imageOf({ layers: [{ size: (1000 * MIB) / size }] }),
  },
];

export async function measurePulls(rounds: number, { quick }: { readonly quick: boolean }): Promise<PullKind[]> {
  const dir = mkdtempSync("/var/tmp/berth-bench-");
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rmSync(dir, { recursive: true, force: true }));
  const registry = undo.use(await startRegistry());
  // Not the registries of tests, which are nowhere.
  const config = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
  const daemons = { ours: undo.use(await startBerthd({ config })), theirs: undo.use(await startContainerd()) };
  const berth = join(import.meta.dirname, "../../dist/bin/berth");
  const results: PullKind[] = [];
  for (const [at, { what, make }] of kinds(quick ? 10 : 1).entries()) {
    const layout = makeLayout(join(dir, `${at}`), make());
    await upload(layout, registry, `kind${at}`, "1");
    rmSync(layout.dir, { recursive: true });
    const name = `${registry.address}/kind${at}:1`;
    const commands: Pair<readonly string[]> = {
      ours: [berth, "-a", daemons.ours.address, "pull", "-q", name],
      theirs: ["ctr", "-a", daemons.theirs.address, "images", "pull", "--plain-http", name],
    };
    const pair = <T>(make: () => T): Pair<T> => ({ ours: make(), theirs: make() });
    const [wall, processor, again] = [pair<number[]>(() => []), pair<number[]>(() => []), pair<number[]>(() => [])];
    const memory = { ours: 0, theirs: 0 };
    for (let round = 0; round < rounds; round++)
      for (const who of ["ours", "theirs"] as const satisfies Who[]) {
        interruption.throwIfAborted();
        await run("sync", []);
        await sleep(REST_MS, undefined, { signal: interruption });
        const { ms, processorMs, peak } = await measured(daemons[who], commands[who]);
        wall[who].push(ms);
        processor[who].push(processorMs);
        memory[who] = Math.max(memory[who], peak);
        again[who].push((await measured(daemons[who], commands[who])).ms);
        await run("ctr", ["-a", daemons[who].address, "images", "rm", "--sync", name]);
      }
    results.push({ what, wall, processor, memory, again });
  }
  return results;
}

async function measured({ pid }: Supervisor, [program = "", ...args]: readonly string[]) {
  let peak = 0;
  const { ms, processorMs } = await during(async () => {
    const child = execFile(program, args);
    const ended = once(child, "close");
    const done = new AbortController();
    const sampling = sample(() => {
      peak = Math.max(peak, residentOf([pid, child.pid ?? 0]));
    }, done.signal);
    const [code] = await ended;
    done.abort();
    await sampling;
    if (code !== 0) throw new Error(`${program} ${args.join(" ")} has ended with ${code}`);
  });
  return { ms, processorMs, peak };
}

async function sample(look: () => void, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    look();
    await sleep(SAMPLE_MS, undefined, { signal: until }).catch(() => {}); // it is over
  }
}

/** Megabytes of these processes and of all that they have started. */
function residentOf(roots: readonly number[]): number {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = /^PPid:\s+(\d+)/m.exec(textOf(pid, "status"))?.[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (roots.includes(pid) || isOurs(parents.get(pid)));
  const all = [...parents.keys()].filter(isOurs);
  const kilobytes = all.map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(textOf(pid, "status"))?.[1] ?? 0));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Of a process that may have gone. */
function textOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const [code] = await once(execFile(program, [...args]), "close");
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} has ended with ${code}`);
}

function smallFiles(count: number): TarEntry[] {
  return Array.from({ length: count }, (_, at) => ({
    path: `d${at % 200}/f${at}`,
    content: Buffer.from(`file ${at}\n`.repeat(20).slice(0, 200)),
  }));
}

/** Files of this machine's /usr, in so many layers of so many bytes. */
function usrLayers(count: number, bytes: number): TarEntry[][] {
  const layers: TarEntry[][] = [[]];
  let size = 0;
  for (const path of filesBelow("/usr")) {
    const found = lstatSync(path);
    if (found.size > LARGEST_FILE) continue;
    layers.at(-1)?.push({ path: path.slice(1), content: readFileSync(path) });
    size += found.size;
    if (size < bytes) continue;
    if (layers.length === count) break;
    layers.push([]);
    size = 0;
  }
  return layers;
}

function* filesBelow(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}
