// The engine on a real store in a temporary directory and a fake runtime: no sockets, no processes, no root.
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notFound, silent, systemClock, unknownError } from "@berth/base";
import type { Differ, Images, ResolvedImage } from "@berth/images";
import { openStore, type Store } from "@berth/store";
import { type FakeRuntime, fakeRuntime } from "../../runtime/test/fake-runtime.ts";
import { type Caller, createLives, type EngineDeps } from "../src/index.ts";

export const namespace = "test";
export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
/** The only image that there is. */
export const tinyImage = "docker.io/library/tiny:latest";

export interface EngineHarness extends AsyncDisposable {
  readonly engine: EngineDeps;
  readonly store: Store;
  readonly runtime: FakeRuntime;
  readonly root: string;
}

export const callerOf = (signal: AbortSignal = new AbortController().signal): Caller => ({
  namespace,
  lease: "",
  signal,
  log: silent,
});

export async function openEngine(differ: Differ = noDiffer): Promise<EngineHarness> {
  const root = await mkdtemp(join(tmpdir(), "berth-engine-"));
  // Collected only where a test asks: what it has put in without an image or a lease is garbage, and collections that
  // may take a ten millionth of the time are hours apart.
  const gc = { startupDelayMs: 3_600_000, pauseThreshold: 1e-7 };
  const store = await openStore({ root, clock: systemClock, log: silent, gc });
  const runtime = fakeRuntime();
  const ownShim = join(root, "containerd-shim-berth-v2");
  await writeFile(ownShim, "");
  const engine: EngineDeps = {
    store,
    runtime,
    images: oneImage(store),
    differ,
    clock: systemClock,
    logs: join(root, "io.berth.engine.v1", "logs"),
    files: join(root, "io.berth.engine.v1", "files"),
    defaults: { runtime: "io.containerd.runc.v2", snapshotter: "native" },
    resolveShim: (name) => {
      if (name !== "io.containerd.runc.v2") throw unknownError(`runtime ${name} is not installed`);
      return ownShim;
    },
    ownShim,
    lives: createLives(),
  };
  return {
    engine,
    store,
    runtime,
    root,
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const noRegistry = (): never => {
  throw new Error("no registry");
};

const noDiffer: Differ = {
  async apply() {
    throw new Error("no differ");
  },
  async diff() {
    throw new Error("no differ");
  },
};

const chainId = sha256("the only layer");

/** Images whose only one is `docker.io/library/tiny:latest`, with a file system of nothing. */
function oneImage(store: Store): Images {
  const name = tinyImage;
  const target = {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: sha256("m"),
    size: 2,
    annotations: {},
  };
  return {
    async resolve(_scope, wanted): Promise<ResolvedImage> {
      if (wanted !== name) throw notFound("image", wanted);
      const now = systemClock.now();
      return {
        image: { name, labels: {}, target, createdAt: now, updatedAt: now },
        manifest: target,
        configDescriptor: target,
        config: {
          architecture: "amd64",
          os: "linux",
          variant: "",
          config: {
            User: "",
            Env: ["FROM_IMAGE=1"],
            Entrypoint: ["/entry"],
            Cmd: ["default"],
            WorkingDir: "/work",
            Labels: { "containerd.io/restart.status": "running" },
            StopSignal: "SIGQUIT",
            Volumes: [],
          },
          diffIds: [],
        },
        layers: [],
        chainId,
      };
    },
    async unpack(where, _image, snapshotter) {
      const snapshots = store.snapshotter(snapshotter);
      if (snapshots.list(where, [`name==${chainId}`]).length === 0) {
        await snapshots.prepare(where, "extract", "", {});
        await snapshots.commit(where, chainId, "extract", {});
      }
      return chainId;
    },
    pull: noRegistry,
    push: noRegistry,
    explain: noRegistry,
    checkCredentials: noRegistry,
    async importArchive() {
      return [];
    },
    nameAs: noRegistry,
    async check() {
      return null;
    },
    async history() {
      return [];
    },
    async *parts() {},
    async holdings() {
      return { blobs: new Map(), snapshots: new Map() };
    },
    async exportArchive() {
      return { size: 0, leftOut: [], bytes: (async function* () {})() };
    },
  };
}
