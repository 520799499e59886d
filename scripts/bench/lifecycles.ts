// Whole lives of containers over containerd's API, several at a time, and what the daemon's memory is before and after them.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectGrpc } from "@berth/grpc";
import { typeUrls } from "@berth/proto";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { startBerthd } from "../../test/support/berthd.ts";
import { makeRootfs, ociSpec } from "../../test/support/bundle.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { interruption } from "./interruption.ts";
import { memoryOf } from "./memory.ts";
import { runcStateInMemory, withMounts } from "./mounts.ts";
import { type Pair, type Who, whos } from "./pair.ts";
import { makePlace } from "./place.ts";
import { interleave } from "./statistics.ts";

const TIMEOUT_MS = 120_000;
/** After which neither daemon gives anything back any more. */
const REST_MS = 6_000;

export interface Lifecycles {
  /** Lives a second, one client after the other, and with as many at a time as `clients` says. */
  readonly one: Pair<number[]>;
  readonly together: Pair<number[]>;
  /** Kilobytes resident of the daemon: after its start, after so many lives, and after as many again. */
  readonly memory: Record<"start" | "once" | "twice", Pair<number>>;
}

export interface LifecycleOptions {
  readonly rounds: number;
  /** Lives in a round. */
  readonly each: number;
  readonly clients: number;
  /** Lives between two looks at the memory. */
  readonly many: number;
}

/** Create, start, wait and delete of a container that runs `true`, each daemon with its own shim. */
export async function measureLifecycles({ rounds, each, clients, many }: LifecycleOptions): Promise<Lifecycles> {
  await using place = makePlace();
  await using undo = new AsyncDisposableStack();
  const daemons: Pair<{ address: string; dir: string; pid: number }> = {
    ours: undo.use(await startBerthd({ stateInMemory: true })),
    theirs: undo.use(await startContainerd({ within: withMounts(runcStateInMemory), stateInMemory: true })),
  };
  let count = 0;
  const opened = (who: Who) => {
    const { address, dir, pid } = daemons[who];
    const connection = undo.use(connectGrpc(address));
    const [containers, tasks] = [connection.service(Containers), connection.service(Tasks)];
    const to = { namespace: place.name, timeoutMs: TIMEOUT_MS, signal: interruption };
    const rootfs = [{ type: "bind", source: makeRootfs(join(dir, "lives")), target: "", options: ["rbind", "rw"] }];
    const live = async () => {
      const id = `l${count++}`;
      const spec = ociSpec({ args: ["true"], cgroupsPath: `/${place.name}/${id}` });
      const value = new TextEncoder().encode(JSON.stringify(spec));
      const container = { id, runtime: { name: "io.containerd.runc.v2" }, spec: { typeUrl: typeUrls.spec, value } };
      await containers.create({ container }, to);
      await tasks.create({ containerId: id, rootfs }, to);
      const waiting = tasks.wait({ containerId: id }, to);
      const [{ exitStatus }] = await Promise.all([waiting, tasks.start({ containerId: id }, to)]);
      if (exitStatus !== 0) throw new Error(`${id} ended with status ${exitStatus}`);
      await tasks.delete({ containerId: id }, to);
      await containers.delete({ id }, to);
    };
    return {
      /** Lives a second. */
      async run(total: number, atOnce: number): Promise<number> {
        const begun = performance.now();
        let left = total;
        await Promise.all(
          Array.from({ length: atOnce }, async () => {
            while (left-- > 0) await live();
          }),
        );
        return (total * 1000) / (performance.now() - begun);
      },
      resident: () => memoryOf(pid).rss,
    };
  };
  const [ours, theirs] = whos.map(opened) as [ReturnType<typeof opened>, ReturnType<typeof opened>];
  const look = async (): Promise<Pair<number>> => {
    await sleep(REST_MS, undefined, { signal: interruption });
    return { ours: ours.resident(), theirs: theirs.resident() };
  };
  const start = await look();
  const one = await interleave(rounds, { ours: () => ours.run(each, 1), theirs: () => theirs.run(each, 1) });
  const together = await interleave(rounds, {
    ours: () => ours.run(each, clients),
    theirs: () => theirs.run(each, clients),
  });
  await ours.run(many, clients);
  await theirs.run(many, clients);
  const once = await look();
  await ours.run(many, clients);
  await theirs.run(many, clients);
  return { one, together, memory: { start, once, twice: await look() } };
}
