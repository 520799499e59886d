// The services over the in-memory client, on a real store in a temporary directory and a fake runtime.
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notFound, silent, systemClock, unknownError } from "@berth/base";
import { createLives, type EngineDeps } from "@berth/engine";
import type { Differ, Images, ResolvedImage } from "@berth/images";
import { type Client, clientOf, memoryTransport } from "@berth/rpc";
import { openStore, type Store } from "@berth/store";
import { type FakeRuntime, fakeRuntime } from "../../runtime/test/fake-runtime.ts";
import { publishChanges } from "../src/services/publish-changes.ts";
import { registrations } from "../src/services/registrations.ts";

export const namespace = "test";
export const scope = { namespace, lease: "" };
export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface Harness extends AsyncDisposable {
  readonly engine: EngineDeps;
  readonly store: Store;
  readonly runtime: FakeRuntime;
  readonly root: string;
  /** What berthd says to its services when it begins to stop. */
  stop(): void;
  client<S extends { readonly typeName: string; readonly methods: object }>(service: S): Client<S>;
}

export async function startHarness(): Promise<Harness> {
  const root = await mkdtemp(join(tmpdir(), "berth-services-"));
  // Collected only where a test asks: what it has put in without an image or a lease is garbage, and collections that
  // may take a ten millionth of the time are hours apart.
  const gc = { startupDelayMs: 3_600_000, pauseThreshold: 1e-7 };
  const store = await openStore({ root, clock: systemClock, log: silent, gc });
  const runtime = fakeRuntime();
  publishChanges(store, runtime.events);
  const stopping = new AbortController();
  const ownShim = join(root, "containerd-shim-berth-v2");
  await writeFile(ownShim, "");
  const engine: EngineDeps = {
    store,
    runtime,
    images: oneImage(store),
    differ: noDiffer,
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
  const transport = memoryTransport(
    registrations({
      engine,
      root,
      uuid: "00000000-0000-4000-8000-000000000000",
      build: { version: "1.2.3", revision: "abc" },
      stopping: stopping.signal,
    }),
    silent,
  );
  return {
    engine,
    store,
    runtime,
    root,
    stop: () => stopping.abort(),
    client: (service) => clientOf(service, transport),
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

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
  const name = "docker.io/library/tiny:latest";
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
    async importArchive() {
      return [];
    },
    async check() {
      return null;
    },
    async *exportArchive() {},
  };
}
