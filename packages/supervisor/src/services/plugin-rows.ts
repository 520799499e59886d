// The rows of Introspection.Plugins: what clients look for before they use a part of the API.
import { hostPlatform } from "@berth/images";
import type { Init } from "@berth/proto";
import type { Plugin } from "@berth/proto/containerd/services/introspection/v1";

export interface PluginRoots {
  /** Snapshotter names and where each keeps its data. */
  readonly snapshotters: readonly { readonly name: string; readonly root: string }[];
  readonly root: string;
}

const grpcServices = [
  "containers",
  "content",
  "diff",
  "events",
  "healthcheck",
  "images",
  "introspection",
  "leases",
  "namespaces",
  "snapshots",
  "tasks",
  "version",
];
const domainServices = [
  "containers-service",
  "content-service",
  "diff-service",
  "images-service",
  "introspection-service",
  "leases-service",
  "namespaces-service",
  "snapshots-service",
  "tasks-service",
];

export function pluginRows({ snapshotters, root }: PluginRoots): Init<Plugin>[] {
  const platforms = [hostPlatform()];
  const row = (type: string, id: string, more: Init<Plugin> = {}): Init<Plugin> => ({ type, id, ...more });
  return [
    row("io.containerd.content.v1", "content", { exports: { root: `${root}/io.containerd.content.v1.content` } }),
    ...snapshotters.map((s) => row("io.containerd.snapshotter.v1", s.name, { platforms, exports: { root: s.root } })),
    row("io.containerd.metadata.v1", "sqlite", {
      requires: ["io.containerd.content.v1", "io.containerd.snapshotter.v1"],
    }),
    row("io.containerd.differ.v1", "walking", { requires: ["io.containerd.metadata.v1"], platforms }),
    row("io.containerd.event.v1", "exchange"),
    row("io.containerd.gc.v1", "scheduler", { requires: ["io.containerd.metadata.v1"] }),
    row("io.containerd.runtime.v2", "task", {
      requires: ["io.containerd.metadata.v1", "io.containerd.event.v1"],
      platforms,
    }),
    row("io.containerd.streaming.v1", "manager", { requires: ["io.containerd.metadata.v1"] }),
    row("io.containerd.transfer.v1", "local", {
      requires: ["io.containerd.metadata.v1", "io.containerd.differ.v1", "io.containerd.snapshotter.v1"],
    }),
    ...domainServices.map((id) => row("io.containerd.service.v1", id)),
    ...grpcServices.map((id) => row("io.containerd.grpc.v1", id, { requires: ["io.containerd.service.v1"] })),
    row("io.containerd.grpc.v1", "streaming", { requires: ["io.containerd.streaming.v1"] }),
    row("io.containerd.grpc.v1", "transfer", { requires: ["io.containerd.transfer.v1", "io.containerd.streaming.v1"] }),
  ];
}
