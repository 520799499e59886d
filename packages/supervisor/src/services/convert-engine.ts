import { formatInstant, type Instant } from "@berth/base";
import { type ContainerDetails, type ContainerSummary, stringifyExact } from "@berth/engine";
import { type Init, unpackAny } from "@berth/proto";
import type { ContainerSummary as ProtoSummary } from "@berth/proto/berth/v1";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { ContainerRecord } from "@berth/store";
import { timestampOf } from "./convert-common.ts";
import { sizeWithLabels } from "./in-blocks.ts";

/** A summary of more bytes is sent without what has no bound in it. */
const LONGEST = 2 << 20;

export const containerSummary = ({ record, args, state }: ContainerSummary): Init<ProtoSummary> => ({
  id: record.id,
  image: record.image,
  args: [...args],
  createdAt: timestampOf(record.createdAt),
  status: state?.status ?? "none",
  pid: state?.pid ?? 0,
  exitStatus: state?.exitStatus ?? 0,
  exitedAt: timestampOf(state?.exitedAt ?? null),
  runtime: record.runtime.name,
  labels: record.labels,
  outOfMemory: state?.outOfMemory ?? false,
});

export const sizeOfSummary = ({ args = [], labels = {} }: Init<ProtoSummary>): number =>
  args.reduce((bytes, arg) => bytes + Buffer.byteLength(arg) + 8, sizeWithLabels({ labels }));

export const shortened = (summary: Init<ProtoSummary>): Init<ProtoSummary> =>
  sizeOfSummary(summary) > LONGEST ? { ...summary, args: [], labels: {}, shortened: true } : summary;

/** Everything that is known of a container, as JSON. */
export function containerDetails(
  namespace: string,
  { record, spec, state, bundle, shim, log }: ContainerDetails,
): Uint8Array {
  const value = {
    id: record.id,
    namespace,
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
        : { ...state, status: wordOf(state.status), exitedAt: timeOf(state.exitedAt), bundle, shim },
    log,
    spec,
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
