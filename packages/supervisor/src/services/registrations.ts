// Every service with its implementation: what both sockets serve.
import { join } from "node:path";
import type { EngineDeps } from "@berth/engine";
import { Engine } from "@berth/proto/berth/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Diff } from "@berth/proto/containerd/services/diff/v1";
import { Events as TtrpcEvents } from "@berth/proto/containerd/services/events/ttrpc/v1";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Introspection } from "@berth/proto/containerd/services/introspection/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { Streaming } from "@berth/proto/containerd/services/streaming/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Transfer } from "@berth/proto/containerd/services/transfer/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { Health } from "@berth/proto/grpc/health/v1";
import { intercept, type Registration, register } from "@berth/rpc";
import { afterLeaving } from "./after-leaving.ts";
import { containersService } from "./containers.ts";
import { contentService } from "./content.ts";
import { diffService } from "./diff.ts";
import { endAtStop } from "./end-at-stop.ts";
import { engineService } from "./engine.ts";
import { eventsService, ttrpcEventsService } from "./events.ts";
import { healthService } from "./health.ts";
import { imagesService } from "./images.ts";
import { introspectionService } from "./introspection.ts";
import { leasesService } from "./leases.ts";
import { namespacesService } from "./namespaces.ts";
import { pluginRows } from "./plugin-rows.ts";
import { snapshotsService } from "./snapshots.ts";
import { tasksService } from "./tasks.ts";
import { streamingService } from "./transfer/streaming.ts";
import { createStreams } from "./transfer/streams.ts";
import { transferService } from "./transfer/transfer.ts";
import { versionService } from "./version.ts";

export interface ServiceDeps {
  readonly engine: EngineDeps;
  /** Durable directory. */
  readonly root: string;
  readonly uuid: string;
  readonly build: { readonly version: string; readonly revision: string };
  /** Aborted when berthd begins to stop. */
  readonly stopping: AbortSignal;
}

export function registrations({ engine, root, uuid, build, stopping }: ServiceDeps): Registration[] {
  const { store, runtime, differ, files } = engine;
  const { events } = runtime;
  const { containers, content, collector } = store;
  const snapshotters = store.snapshotters.map((name) => ({
    name,
    root: join(root, `io.containerd.snapshotter.v1.${name}`),
  }));
  const rows = pluginRows({ root, snapshotters });
  const streams = createStreams(stopping);
  const list = [
    register(Version, versionService(build)),
    register(Namespaces, namespacesService({ namespaces: store.namespaces, lives: engine.lives })),
    register(Containers, containersService({ containers, files })),
    register(Images, imagesService({ images: store.images, collector })),
    register(Content, contentService({ content })),
    register(Snapshots, snapshotsService({ snapshotter: (name) => store.snapshotter(name) })),
    register(Diff, diffService({ differ })),
    register(Leases, leasesService({ leases: store.leases, collector })),
    register(Tasks, tasksService(engine)),
    register(Events, eventsService({ events })),
    register(TtrpcEvents, ttrpcEventsService({ events })),
    register(Streaming, streamingService(streams)),
    register(Transfer, transferService(engine, streams)),
    register(Introspection, introspectionService({ uuid, rows, runtime })),
    register(Engine, engineService(engine)),
  ];
  const names = new Set(list.map(({ service }) => service.typeName));
  return intercept(
    [...list, register(Health, healthService({ names }))],
    endAtStop(stopping, waiting),
    afterLeaving(engine.lives, looking),
  );
}

/** What waits for what others do. */
const waiting = new Map([
  [Tasks.typeName, ["Wait"]],
  [Events.typeName, ["Subscribe"]],
  [Engine.typeName, ["RunContainer", "ReadLogs", "WaitContainer", "CheckImages"]],
  [Health.typeName, ["Watch"]],
]);

/** What shows containers, or what they have. Those that make or remove one wait for its name by themselves. */
const looking = new Map<string, readonly string[] | "all">([
  [Containers.typeName, "all"],
  [Snapshots.typeName, "all"],
  [Tasks.typeName, "all"],
  [Engine.typeName, ["CreateExec", "StopContainer", "WaitContainer", "ListContainers", "InspectContainer", "ReadLogs"]],
]);
