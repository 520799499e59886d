import { randomBytes } from "node:crypto";
import { alreadyExists, checkId, checkLabels, isNotFound, normalizeReference } from "@berth/base";
import type { ResolvedImage } from "@berth/images";
import { packAny, topics, typeUrls } from "@berth/proto";
import type { CreateContainerRequest } from "@berth/proto/berth/v1";
import { ContainerCreate, SnapshotPrepare } from "@berth/proto/containerd/events";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { Call } from "@berth/rpc";
import type { AnyValue, Scope } from "@berth/store";
import { makeSpec } from "../../spec/make-spec.ts";
import { announce } from "../announce.ts";
import { anyFromRecord } from "../convert-common.ts";
import { type EngineNeeds, readRootFile } from "./needs.ts";

export const stopSignalLabel = "io.containerd.image.config.stop-signal";
/** Digest of what the image's name meant when the container was made. */
export const imageDigestLabel = "berth.image.digest";

/** Milliseconds after which an abandoned creation's lease lets go of what was made. */
const LEASE_LIFE = 3_600_000;

/** 12 hex digits: short enough to type, long enough not to meet. */
export const randomId = (): string => randomBytes(6).toString("hex");

/** Snapshot, spec and record, all or nothing: until the record refers to them a lease holds what is made. */
export async function createContainer(
  needs: EngineNeeds,
  req: CreateContainerRequest,
  call: Call,
): Promise<{ id: string; warnings: string[] }> {
  const { store, images, runtime } = needs;
  const id = req.id === "" ? randomId() : checkId("container", req.id);
  checkLabels(req.labels);
  if (store.containers.list(call, [`id==${id}`]).length > 0) throw alreadyExists("container", id);
  const defaults = defaultsOf(needs, call.namespace);
  const runtimeName = req.runtime || defaults.runtime;
  needs.checkRuntime(runtimeName);
  const image = await resolve(needs, req.image, call);
  const snapshotter = req.snapshotter || defaults.snapshotter;
  const snapshots = store.snapshotter(snapshotter);

  await using undo = new AsyncDisposableStack();
  const scope = leased(needs, call.namespace, undo);
  let done = false;
  const chainId = await images.unpack(scope, image, snapshotter);
  await snapshots.prepare(scope, id, chainId, {});
  undo.defer(async () => {
    if (!done) await snapshots.remove(scope, id);
  });
  announce(runtime.events, call.namespace, topics.snapshotPrepare, SnapshotPrepare, {
    key: id,
    parent: chainId,
    snapshotter,
  });

  const spec = await makeSpec({
    namespace: call.namespace,
    id,
    image: image.image.name,
    config: image.config.config,
    options: req,
    read: readRootFile(store, scope, snapshotter, id),
  });
  const { StopSignal } = image.config.config;
  const record = store.containers.create(scope, {
    id,
    labels: {
      ...(StopSignal === "" ? {} : { [stopSignalLabel]: StopSignal }),
      [imageDigestLabel]: image.image.target.digest,
      ...req.labels,
    },
    image: image.image.name,
    runtime: { name: runtimeName, options: runtimeOptions(req.runtimeBinary) },
    spec: { typeUrl: typeUrls.spec, value: new TextEncoder().encode(JSON.stringify(spec)) },
    snapshotter,
    snapshotKey: id,
    extensions: {},
    sandbox: "",
  });
  done = true;
  announce(runtime.events, call.namespace, topics.containerCreate, ContainerCreate, {
    id,
    image: record.image,
    runtime: { name: record.runtime.name, options: anyFromRecord(record.runtime.options) },
  });
  return { id, warnings: [] };
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

function leased({ store }: EngineNeeds, namespace: string, undo: AsyncDisposableStack): Scope {
  const lease = `berth-create-${randomBytes(8).toString("hex")}`;
  const expiry = new Date(Date.now() + LEASE_LIFE).toISOString();
  store.leases.create(namespace, { id: lease, labels: { "containerd.io/gc.expire": expiry } });
  undo.defer(() => store.leases.delete(namespace, lease));
  return { namespace, lease };
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
