// The two shims under one containerd and one runtime.
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectGrpc } from "@berth/grpc";
import { packAny, typeUrls } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { makeRootfs, ociProcess, ociSpec } from "../../test/support/bundle.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { interruption } from "./interruption.ts";
import { type Memory, memoryOf, processesOf } from "./memory.ts";
import type { Place } from "./place.ts";

export const whos = ["ours", "theirs"] as const;
export type Who = (typeof whos)[number];
export type Pair<T> = Record<Who, T>;

export interface ShimPair extends AsyncDisposable {
  /** Of containerd. */
  readonly pid: number;
  /** A container that sleeps, its outputs on FIFOs that somebody reads. Its id is that of no other on the machine. */
  run(who: Who, id: string): Promise<void>;
  end(id: string): Promise<void>;
  /** Runs `true` in it: milliseconds from Exec over Start and Wait to Delete. */
  exec(id: string): Promise<number>;
  /** What does the same without a shim. */
  bareExec(id: string): string[];
  /** Of the shims of these containers. */
  memory(who: Who, ids: readonly string[]): Memory[];
}

export interface PairOptions {
  readonly shims: Pair<string>;
  readonly place: Place;
  /** The runtime. */
  readonly binary: string;
  /** What starts containerd, such as `unshare -m`. */
  readonly within?: readonly string[];
}

const TIMEOUT_MS = 120_000;

export async function startPair({ shims, place, binary, within = [] }: PairOptions): Promise<ShimPair> {
  await using undo = new AsyncDisposableStack();
  const daemon = undo.use(await startContainerd({ within: [...place.within, ...within] }));
  const connection = undo.use(connectGrpc(daemon.address));
  const [containers, tasks] = [connection.service(Containers), connection.service(Tasks)];
  const rootfs = makeRootfs(join(daemon.dir, "rootfs"));
  const mounts = [{ type: "bind", source: rootfs, target: "", options: ["rbind", "rw"] }];
  const outputs = join(daemon.dir, "outputs");
  mkdirSync(outputs);
  const processFile = join(daemon.dir, "process.json");
  writeFileSync(processFile, JSON.stringify(ociProcess(["true"])));

  const to = { namespace: place.name, timeoutMs: TIMEOUT_MS, signal: interruption };
  const options = packAny(Options, { binaryName: binary });
  const encode = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  const trueProcess = { typeUrl: typeUrls.process, value: encode(ociProcess(["true"])) };
  const readers = new Map<string, number[]>();
  const outputsOf = (id: string) => [join(outputs, id), join(outputs, `${id}.err`)] as const;
  const closeReaders = (id: string) => {
    for (const reader of readers.get(id) ?? []) closeSync(reader);
    readers.delete(id);
    for (const path of outputsOf(id)) rmSync(path, { force: true });
  };
  undo.defer(() => [...readers.keys()].forEach(closeReaders));
  let execs = 0;
  const owned = undo.move();
  return {
    pid: daemon.pid,
    async run(who, id) {
      const [stdout, stderr] = outputsOf(id);
      execFileSync("mkfifo", ["-m", "600", stdout, stderr]);
      // O_RDWR: nobody waits for the other end (fifo(7)).
      readers.set(
        id,
        [stdout, stderr].map((path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK)),
      );
      const spec = ociSpec({ args: ["sleep", "100000"], cgroupsPath: `/${place.name}/${id}` });
      const record = {
        id,
        runtime: { name: shims[who], options },
        spec: { typeUrl: typeUrls.spec, value: encode(spec) },
      };
      await containers.create({ container: record }, to);
      await tasks.create({ containerId: id, rootfs: mounts, stdout, stderr }, to);
      await tasks.start({ containerId: id }, to);
    },
    async end(id) {
      await tasks.kill({ containerId: id, signal: 9 }, to);
      await tasks.wait({ containerId: id }, to);
      await tasks.delete({ containerId: id }, to);
      await containers.delete({ id }, to);
      closeReaders(id);
    },
    async exec(containerId) {
      const execId = `e${++execs}`;
      const begun = performance.now();
      await tasks.exec({ containerId, execId, spec: trueProcess }, to);
      // Both at once, so that neither fails unheard where the other does.
      const waiting = tasks.wait({ containerId, execId }, to);
      const [{ exitStatus }] = await Promise.all([waiting, tasks.start({ containerId, execId }, to)]);
      await tasks.deleteProcess({ containerId, execId }, to);
      if (exitStatus !== 0) throw new Error(`${execId} ended with status ${exitStatus}`);
      return performance.now() - begun;
    },
    bareExec: (id) => [binary, "--root", `/run/containerd/runc/${place.name}`, "exec", "--process", processFile, id],
    memory: (who, ids) =>
      ids.map((id) => {
        const [pid] = processesOf(shims[who], `\0${id}\0`);
        if (pid === undefined) throw new Error(`the shim of ${id} has gone`);
        return memoryOf(pid);
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
