// Every service with its implementation: what both sockets serve.
import { join } from "node:path";
import type { Clock } from "@berth/base";
import type { Differ, Images as ImageResolver } from "@berth/images";
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
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { Health } from "@berth/proto/grpc/health/v1";
import { type Registration, register } from "@berth/rpc";
import type { Runtime } from "@berth/runtime";
import type { Store } from "@berth/store";
import { containersService } from "./containers.ts";
import { contentService } from "./content.ts";
import { diffService } from "./diff.ts";
import { endAtStop } from "./end-at-stop.ts";
import { logsBelow } from "./engine/needs.ts";
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
import { versionService } from "./version.ts";

export interface ServiceNeeds {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly images: ImageResolver;
  readonly differ: Differ;
  readonly clock: Clock;
  /** Durable directory. */
  readonly root: string;
  readonly uuid: string;
  readonly build: { readonly version: string; readonly revision: string };
  readonly defaults: { readonly runtime: string; readonly snapshotter: string };
  /** Path of a runtime's shim. Throws a sentence for one that is not installed. */
  readonly resolveShim: (runtime: string) => string;
  /** Path of berth's own shim. */
  readonly ownShim: string;
  /** Aborted when berthd begins to stop. */
  readonly stopping: AbortSignal;
}

export function registrations(needs: ServiceNeeds): Registration[] {
  const { store, runtime, images, differ, clock, root, uuid, build, defaults, resolveShim, ownShim, stopping } = needs;
  const { events } = runtime;
  const { containers, content, collector } = store;
  const snapshotters = store.snapshotters.map((name) => ({
    name,
    root: join(root, `io.containerd.snapshotter.v1.${name}`),
  }));
  const rows = pluginRows({ root, snapshotters });
  const list = [
    register(Version, versionService(build)),
    register(Namespaces, namespacesService({ namespaces: store.namespaces, events })),
    register(Containers, containersService({ containers, events })),
    register(Images, imagesService({ images: store.images, collector, events })),
    register(Content, contentService({ content, events })),
    register(Snapshots, snapshotsService({ snapshotter: (name) => store.snapshotter(name), events })),
    register(Diff, diffService({ differ })),
    register(Leases, leasesService({ leases: store.leases, collector })),
    endAtStop(register(Tasks, tasksService({ runtime, containers, content, differ, clock })), ["wait"], stopping),
    endAtStop(register(Events, eventsService({ events })), ["subscribe"], stopping),
    register(TtrpcEvents, ttrpcEventsService({ events })),
    register(Introspection, introspectionService({ uuid, rows })),
    endAtStop(
      register(
        Engine,
        engineService({
          store,
          runtime,
          images,
          logs: logsBelow(root),
          resolveShim,
          ownShim,
          defaults,
        }),
      ),
      ["readLogs", "waitContainer"],
      stopping,
    ),
  ];
  const names = new Set(list.map(({ service }) => service.typeName));
  return [...list, endAtStop(register(Health, healthService({ names })), ["watch"], stopping)];
}
