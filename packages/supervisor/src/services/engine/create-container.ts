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
import { filesOf, isSignal, logLabels, logLimits, makeSpec, stringifyExact } from "@berth/engine";
import type { ResolvedImage } from "@berth/images";
import { packAny, typeUrls } from "@berth/proto";
import type { CreateContainerRequest } from "@berth/proto/berth/v1";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { Call } from "@berth/rpc";
import { type AnyValue, readLinkInSnapshot } from "@berth/store";
import { autoRemoveLabel } from "./auto-remove.ts";
import { type EngineNeeds, readRootFile } from "./needs.ts";

export const stopSignalLabel = "io.containerd.image.config.stop-signal";
/** Digest of what the image's name meant when the container was made. */
export const imageDigestLabel = "berth.image.digest";

/** 12 hex digits: short enough to type, long enough not to meet. */
export const randomId = (): string => randomBytes(6).toString("hex");

/** Snapshot and record, in one transaction: whatever ends this process, there are both or neither. */
export async function createContainer(
  needs: EngineNeeds,
  req: CreateContainerRequest,
  call: Call,
): Promise<{ id: string; warnings: string[] }> {
  const id = req.id === "" ? randomId() : checkId("container", req.id);
  checkLabels(req.labels);
  const removal = req.autoRemove ? { [autoRemoveLabel]: "true" } : {};
  const labels = { ...req.labels, ...logLabels(req.logOptions), ...removal };
  logLimits(labels);
  const taken = alreadyExists("container", id);
  return await needs.lives.make({ namespace: call.namespace, id }, taken, call.signal, async (signal) => {
    if (needs.store.containers.find(call, id) !== null) throw taken;
    return await make(needs, { ...req, id, labels }, call, signal);
  });
}

async function make(
  needs: EngineNeeds,
  req: CreateContainerRequest,
  call: Call,
  signal: AbortSignal,
): Promise<{ id: string; warnings: string[] }> {
  const { store, images } = needs;
  const { id, labels } = req;
  const defaults = defaultsOf(needs, call.namespace);
  const runtimeName = req.runtime || defaults.runtime;
  checkRuntime(needs, runtimeName);
  const image = await resolve(needs, req.image, call);
  const snapshotter = req.snapshotter || defaults.snapshotter;
  const snapshots = store.snapshotter(snapshotter);

  const chainId =
    snapshots.find(call, image.chainId)?.kind === "committed"
      ? image.chainId
      : await images.unpack(call, image, snapshotter, signal);

  // The directories are on their way to the disk while the spec is made.
  const staging = snapshots.stage(call, { kind: "active", key: id, parent: chainId, labels: {} });
  const making = makeSpec({
    namespace: call.namespace,
    id,
    image: image.image.name,
    config: image.config.config,
    options: req,
    read: readRootFile(store, call, snapshotter, chainId),
    files: filesOf(needs.files, call.namespace, id),
  });
  const [stage, made] = await Promise.allSettled([staging, making]);
  await using staged = stage.status === "fulfilled" ? stage.value : null;
  // First: where a layer is missing, so are the users that are looked up in it.
  if (staged === null) throw (stage as PromiseRejectedResult).reason;
  if (made.status === "rejected") throw made.reason;
  const spec = made.value;
  // At the task it would be refused as well; here nothing is left of it.
  const layers = chainId === "" ? [] : snapshots.directories(call, chainId);
  checkPlainPaths(plainPaths(spec), (path) => readLinkInSnapshot(layers, path));
  const { StopSignal } = image.config.config;
  const knowsSignal = StopSignal === "" || isSignal(StopSignal);
  signal.throwIfAborted();
  store.transaction(() => {
    staged.commit();
    if (req.startFollows) store.unfinished.set(call, id, "run");
    store.containers.create(call, {
      id,
      labels: {
        ...(StopSignal === "" || !knowsSignal ? {} : { [stopSignalLabel]: StopSignal }),
        [imageDigestLabel]: image.image.target.digest,
        ...labels,
      },
      image: image.image.name,
      runtime: { name: runtimeName, options: runtimeOptions(req.runtimeBinary) },
      spec: { typeUrl: typeUrls.spec, value: new TextEncoder().encode(stringifyExact(spec)) },
      snapshotter,
      snapshotKey: id,
      extensions: {},
      sandbox: "",
    });
  });
  const warnings = knowsSignal
    ? []
    : [`stop signal ${JSON.stringify(StopSignal.slice(0, 80))} of the image is not known: SIGTERM is sent`];
  return { id, warnings };
}

/** The runtime's name is checked here, so that the caller hears of it before there is anything to undo. */
function checkRuntime(needs: EngineNeeds, name: string): void {
  try {
    needs.resolveShim(name);
  } catch (cause) {
    throw new BerthError("not-found", messageOf(cause), { cause });
  }
}

/** The image by the name that was given, else by the full name that it stands for. */
async function resolve({ images }: EngineNeeds, name: string, call: Call): Promise<ResolvedImage> {
  try {
    return await images.resolve(call, name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const full = normalizeReference(name);
    if (full === name) throw error;
    return await images.resolve(call, full);
  }
}

/** The namespace's own defaults, else the supervisor's. */
function defaultsOf({ store, defaults }: EngineNeeds, namespace: string): EngineNeeds["defaults"] {
  const labels = store.namespaces.list().find((record) => record.name === namespace)?.labels ?? {};
  return {
    runtime: labels["containerd.io/defaults/runtime"] || defaults.runtime,
    snapshotter: labels["containerd.io/defaults/snapshotter"] || defaults.snapshotter,
  };
}

const runtimeOptions = (binaryName: string): AnyValue | null =>
  binaryName === "" ? null : packAny(Options, { binaryName });
