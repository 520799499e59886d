import { formatInstant, type Instant } from "@berth/base";
import { logPlace, pathOfLog, stringifyExact } from "@berth/engine";
import { unpackAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { Call } from "@berth/rpc";
import type { ContainerRecord } from "@berth/store";
import { stateOf } from "./container-state.ts";
import { type EngineNeeds, specOf } from "./needs.ts";

/** Everything that is known of a container, as JSON. */
export async function inspectContainer(needs: EngineNeeds, id: string, call: Call): Promise<Uint8Array> {
  const record = needs.store.containers.get(call, id);
  const state = await stateOf(needs, id, call);
  const task = needs.runtime.tasks.known(call.namespace, id);
  const value = {
    id: record.id,
    namespace: call.namespace,
    image: record.image,
    labels: record.labels,
    createdAt: formatInstant(record.createdAt),
    updatedAt: formatInstant(record.updatedAt),
    runtime: { name: record.runtime.name, options: optionsOf(record) },
    snapshotter: record.snapshotter,
    snapshotKey: record.snapshotKey,
    task:
      state === null
        ? null
        : {
            ...state,
            status: wordOf(state.status),
            exitedAt: timeOf(state.exitedAt),
            bundle: task?.bundle ?? "",
            shim: task?.shim ?? "",
          },
    log: await pathOfLog(logPlace(needs.logs, call.namespace, id)),
    spec: record.spec === null ? null : specOf(record),
  };
  return new TextEncoder().encode(stringifyExact(value, 2));
}

/** As `berth ps` says it. */
const wordOf = (status: string): string => (status === "stopped" ? "exited" : status);

const timeOf = (instant: Instant | null): string | null => (instant === null ? null : formatInstant(instant));

/** Options in their own words where they are runc's, else by their type. */
function optionsOf(record: ContainerRecord): object | null {
  const { options } = record.runtime;
  if (options === null) return null;
  return unpackAny(Options, options) ?? { typeUrl: options.typeUrl };
}
