import { randomBytes } from "node:crypto";
import {
  alreadyExists,
  BerthError,
  checkId,
  checkLabels,
  checkPlainPaths,
  isNotFound,
  messageOf,
  normalizeReference,
  plainPaths,
} from "@berth/base";
import type { ResolvedImage } from "@berth/images";
import { readLinkInSnapshot } from "@berth/store";
import { stringifyExact } from "../exact-json.ts";
import { filesOf } from "../files/container-files.ts";
import { logLabels, logLimits } from "../logs/log-limits.ts";
import { ociTypes } from "../oci.ts";
import { makeSpec } from "../spec/make-spec.ts";
import { isSignal } from "../spec/signals.ts";
import type { Caller, NewContainer } from "../types.ts";
import { defaultsOf, type EngineDeps, readRootFile } from "./deps.ts";
import { autoRemoveLabel, imageDigestLabel, stopSignalLabel } from "./labels.ts";

/** 12 hex digits: short enough to type, long enough not to meet. */
export const randomId = (): string => randomBytes(6).toString("hex");

/** Snapshot and record, in one transaction: whatever ends this process, there are both or neither. */
export async function createContainer(
  deps: EngineDeps,
  wanted: NewContainer,
  caller: Caller,
): Promise<{ id: string; warnings: string[] }> {
  const id = wanted.id === "" ? randomId() : checkId("container", wanted.id);
  checkLabels(wanted.labels);
  const removal = wanted.autoRemove ? { [autoRemoveLabel]: "true" } : {};
  const labels = { ...wanted.labels, ...logLabels(wanted.logOptions), ...removal };
  logLimits(labels);
  const taken = alreadyExists("container", id);
  return await deps.lives.make({ namespace: caller.namespace, id }, taken, caller.signal, async (signal) => {
    if (deps.store.containers.find(caller, id) !== null) throw taken;
    return await make(deps, { ...wanted, id, labels }, caller, signal);
  });
}

async function make(
  deps: EngineDeps,
  wanted: NewContainer,
  caller: Caller,
  signal: AbortSignal,
): Promise<{ id: string; warnings: string[] }> {
  const { store, images } = deps;
  const { id, labels } = wanted;
  const defaults = defaultsOf(deps, caller.namespace);
  const runtimeName = wanted.runtime || defaults.runtime;
  checkRuntime(deps, runtimeName);
  const image = await resolve(deps, wanted.image, caller);
  const snapshotter = wanted.snapshotter || defaults.snapshotter;
  const snapshots = store.snapshotter(snapshotter);

  const chainId =
    snapshots.find(caller, image.chainId)?.kind === "committed"
      ? image.chainId
      : await images.unpack(caller, image, snapshotter, signal);

  // The directories are on their way to the disk while the spec is made.
  const staging = snapshots.stage(caller, { kind: "active", key: id, parent: chainId, labels: {} });
  const making = makeSpec({
    namespace: caller.namespace,
    id,
    image: image.image.name,
    config: image.config.config,
    options: wanted,
    read: readRootFile(store, caller, snapshotter, chainId),
    files: filesOf(deps.files, caller.namespace, id),
  });
  const [stage, made] = await Promise.allSettled([staging, making]);
  await using staged = stage.status === "fulfilled" ? stage.value : null;
  // First: where a layer is missing, so are the users that are looked up in it.
  if (staged === null) throw (stage as PromiseRejectedResult).reason;
  if (made.status === "rejected") throw made.reason;
  const spec = made.value;
  // At the task it would be refused as well; here nothing is left of it.
  const layers = chainId === "" ? [] : snapshots.directories(caller, chainId);
  checkPlainPaths(plainPaths(spec), (path) => readLinkInSnapshot(layers, path));
  const { StopSignal } = image.config.config;
  const knowsSignal = StopSignal === "" || isSignal(StopSignal);
  signal.throwIfAborted();
  const record = () => {
    staged.commit();
    if (wanted.startFollows) store.unfinished.set(caller, id, "run");
    store.containers.create(caller, {
      id,
      labels: {
        ...(StopSignal === "" || !knowsSignal ? {} : { [stopSignalLabel]: StopSignal }),
        [imageDigestLabel]: image.image.target.digest,
        ...labels,
      },
      image: image.image.name,
      runtime: { name: runtimeName, options: wanted.runtimeOptions },
      spec: { typeUrl: ociTypes.spec, value: new TextEncoder().encode(stringifyExact(spec)) },
      snapshotter,
      snapshotKey: id,
      extensions: {},
      sandbox: "",
    });
  };
  // One that is to be started is durable with its start, which is what its maker hears of.
  store.transaction(record, "adds", wanted.startFollows ? "later" : "now");
  const warnings = knowsSignal
    ? []
    : [`stop signal ${JSON.stringify(StopSignal.slice(0, 80))} of the image is not known: SIGTERM is sent`];
  return { id, warnings };
}

/** The runtime's name is checked here, so that the caller hears of it before there is anything to undo. */
function checkRuntime(deps: EngineDeps, name: string): void {
  try {
    deps.resolveShim(name);
  } catch (cause) {
    throw new BerthError("not-found", messageOf(cause), { cause });
  }
}

/** The image by the name that was given, else by the full name that it stands for. */
async function resolve({ images }: EngineDeps, name: string, caller: Caller): Promise<ResolvedImage> {
  try {
    return await images.resolve(caller, name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const full = normalizeReference(name);
    if (full === name) throw error;
    return await images.resolve(caller, full);
  }
}
