// berthd itself: everything is constructed and joined here, and served until a signal.
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Log, systemClock } from "@berth/base";
import {
  createLives,
  drainCommandOf,
  type EngineDeps,
  filesBelow,
  finishSteps,
  logsBelow,
  removeWhenEnded,
  untilStarted,
} from "@berth/engine";
import { type Helper, startHelper } from "@berth/helper";
import {
  createExplain,
  openDiffer,
  openImages,
  type RegistryOptions,
  type RegistrySettings,
  tryOverlayWith,
} from "@berth/images";
import { createShimResolver, helperEnvironment, openRuntime } from "@berth/runtime";
import { inspectPlaces, openStore } from "@berth/store";
import { claimSocket } from "@berth/transport";
import { ttrpcAddressOf } from "../cli/effective-config.ts";
import type { Loaded } from "../config/load.ts";
import type { Config } from "../config/sections.ts";
import { persistentUuid } from "../services/introspection.ts";
import { publishChanges } from "../services/publish-changes.ts";
import { registrations } from "../services/registrations.ts";
import { revision, version } from "../version.ts";
import { defaultSnapshotter } from "./default-snapshotter.ts";
import { dropTemporaryLeases } from "./drop-temporary-leases.ts";
import { joinCgroup } from "./join-cgroup.ts";
import { createLog } from "./log.ts";
import { logContainers } from "./log-containers.ts";
import { createNotify } from "./notify.ts";
import { openDirectory } from "./open-directory.ts";
import { reclaimWhenIdle } from "./reclaim.ts";
import { type MirrorFlag, registrySettings } from "./registry-settings.ts";
import { serveGrpc } from "./serve-grpc.ts";
import { serveTtrpc } from "./serve-ttrpc.ts";
import { dumpState } from "./state-dump.ts";
import { untilSignal } from "./until-signal.ts";

/** Milliseconds that calls under way have at the end; dockerd gives a containerd 15 s in all. */
const GRACE = 5_000;
/** Milliseconds that a disk has to take what a commit writes. */
const SYNC_MS = 600_000;
/** Milliseconds after which a stop that hangs is cut short. */
const LAST_RESORT = 14_000;
const ownRuntime = "io.containerd.runc.v2";

/** Serves until SIGTERM or SIGINT. Shims and their containers go on without us. */
export async function serve({ config, file, warnings }: Loaded, program: string, mirror: MirrorFlag): Promise<void> {
  const started = performance.now();
  // Whatever we were started by: directories that are made to be passed are, and containers begin with the usual mask.
  process.umask(0o022);
  const signal = untilSignal();
  const log = createLog({ level: config.debug.level, format: config.debug.format || "text" });
  for (const warning of warnings) log.warn(`configuration: ${warning}`);
  const registries = registriesOf(config, registrySettings(config, file, mirror));
  process.on("unhandledRejection", (err) => log.error("a fault that nobody handled", { err }));
  if (config.top.oomScore !== 0) await writeFile("/proc/self/oom_score_adj", String(config.top.oomScore));
  if (config.cgroup.path !== "") joinCgroup(config.cgroup.path);

  const helper = startHelper(helperIn(dirname(program)), helperEnvironment(config.top.state), log);
  await using closing = new AsyncDisposableStack();
  closing.defer(() => helper.close());
  const notify = createNotify(process.env, helper, log);
  const daemon = closing.use(await startDaemon({ config, program, helper, registries, log }));
  log.info("serving", { address: config.grpc.address, ms: Math.round(performance.now() - started) });
  await notify("READY=1");
  log.info("stopping", { method: await signal });
  setTimeout(() => process.exit(1), LAST_RESORT).unref();
  await notify("STOPPING=1");
  await daemon.stop();
}

interface Parts {
  readonly config: Config;
  readonly program: string;
  readonly helper: Helper;
  readonly registries: RegistryOptions;
  readonly log: Log;
}

async function startDaemon({ config, program, helper, registries, log }: Parts) {
  const { root, state } = config.top;
  const { address } = config.grpc;
  const ttrpcAddress = ttrpcAddressOf(config);
  const ownDirectory = dirname(program);
  const unpackPath = config.engine.unpack || join(ownDirectory, "berth-unpack");
  const clock = systemClock;
  const stopping = new AbortController();

  await using undo = new AsyncDisposableStack();
  // Before anything is touched: what is somebody else's stays as it is, and so does a berthd at the same address.
  const places = { root, state, others: [address, ttrpcAddress] };
  inspectPlaces(places);
  await claimSocket(address, [root, state]);
  await claimSocket(ttrpcAddress, [root, state]);
  const store = undo.use(
    await openStore({
      ...places,
      clock,
      log,
      tryOverlay: tryOverlayWith(unpackPath),
      syncfs: (path) => helper.syncfs(path, SYNC_MS),
      quarantineMs: config.store.quarantine,
      sharingPolicy: config.metadata.contentSharingPolicy,
      gc: {
        pauseThreshold: config.gc.pauseThreshold,
        deletionThreshold: config.gc.deletionThreshold,
        mutationThreshold: config.gc.mutationThreshold,
        scheduleDelayMs: config.gc.scheduleDelay,
        startupDelayMs: config.gc.startupDelay,
      },
    }),
  );
  const logs = logsBelow(root);
  const files = filesBelow(root);
  const ownShim = join(ownDirectory, "containerd-shim-berth-v2");
  await openDirectory(state);
  const resolveShim = createShimResolver({
    shims: {
      [ownRuntime]: config.runtime.defaultShim || ownShim,
      ...config.runtime.shims,
    },
    path: process.env.PATH ?? "",
    ownDirectory,
  });
  const runtime = undo.use(
    await openRuntime({
      root,
      state,
      grpcAddress: address,
      ttrpcAddress,
      containers: store.containers,
      exits: store.exits,
      putAside: store.putAside,
      clientFifos: join(dirname(address), "fifo"),
      drainCommand: drainCommandOf({ containers: store.containers, logs, ownShim }),
      log,
      clock,
      timeouts: {
        state: config.timeouts.taskState,
        load: config.timeouts.shimLoad,
        cleanup: config.timeouts.shimCleanup,
        shutdown: config.timeouts.shimShutdown,
      },
      resolveShim,
      helper,
      publishBinary: program,
      daemonVersion: version,
    }),
  );
  undo.use(reclaimWhenIdle());
  undo.use(logContainers(runtime.events, log));
  undo.use(publishChanges(store, runtime.events));
  const lives = createLives();
  const removal = undo.use(removeWhenEnded({ store, runtime, logs, files, lives }, log));
  dropTemporaryLeases(store, log);
  const differ = openDiffer({ store, unpackPath, stateDir: join(state, "io.berth.unpack"), log });
  const images = openImages({ store, differ, log, registries });
  const engine: EngineDeps = {
    store,
    runtime,
    images,
    differ,
    clock,
    logs,
    files,
    resolveShim,
    ownShim,
    defaults: {
      runtime: config.engine.defaultRuntime,
      snapshotter: defaultSnapshotter(config.engine.defaultSnapshotter, store.snapshotters),
    },
    lives,
  };
  const services = registrations({
    engine,
    root,
    uuid: await persistentUuid(join(root, "io.containerd.grpc.v1.introspection", "uuid")),
    build: { version, revision },
    stopping: stopping.signal,
  });

  // Before anybody is served, so that no call comes in between.
  const finishing = finishSteps(engine, log);
  const grpc = await serveGrpc(address, services, config.grpc, log);
  const ttrpc = await serveTtrpc(ttrpcAddress, services, config.ttrpc, log);
  const reconnecting = runtime
    .reconnect()
    .then(() => removal.sweep())
    .catch((err: unknown) => log.error("reconnection has failed", { err }));
  process.on("SIGUSR1", () => {
    dumpState(state, store, runtime, log).catch((err: unknown) => log.error("the dump has failed", { err }));
  });

  const owned = undo.move();
  return {
    async stop() {
      stopping.abort();
      const ending = async () => {
        await finishing;
        await untilStarted(engine);
        await finishSteps(engine, log);
        // A shim ends once it has told its last event, which it does over ttrpc.
        await ttrpc.stop(GRACE);
      };
      await Promise.all([grpc.stop(GRACE), ending()]);
      await finishSteps(engine, log);
      await owned.disposeAsync();
      await reconnecting;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const registriesOf = ({ transfer, verifier }: Config, settings: RegistrySettings): RegistryOptions => ({
  explain: createExplain(settings),
  userAgent: `berth/${version}`,
  // As with containerd, 0 is no limit.
  maxConcurrentDownloads: transfer.maxConcurrentDownloads || Number.POSITIVE_INFINITY,
  layerFetchPart: transfer.layerFetchPart,
  verifier,
  maxConcurrentUploads: transfer.maxConcurrentUploads || Number.POSITIVE_INFINITY,
});

/** Null where it was not installed with us. */
function helperIn(directory: string): string | null {
  const path = join(directory, "berth-launch");
  return existsSync(path) ? path : null;
}
