// Older forms of the file, brought to the newest one before it is read.
type Toml = Record<string, unknown>;

/** Where plugins of a file of version 1, which names them by their ids alone, are now. */
const uris: Readonly<Record<string, string>> = {
  aufs: "io.containerd.snapshotter.v1.aufs",
  bolt: "io.containerd.metadata.v1.bolt",
  btrfs: "io.containerd.snapshotter.v1.btrfs",
  cgroups: "io.containerd.monitor.v1.cgroups",
  cri: "io.containerd.grpc.v1.cri",
  devmapper: "io.containerd.snapshotter.v1.devmapper",
  "diff-service": "io.containerd.service.v1.diff-service",
  linux: "io.containerd.runtime.v1.linux",
  native: "io.containerd.snapshotter.v1.native",
  opt: "io.containerd.internal.v1.opt",
  overlayfs: "io.containerd.snapshotter.v1.overlayfs",
  restart: "io.containerd.internal.v1.restart",
  scheduler: "io.containerd.gc.v1.scheduler",
  task: "io.containerd.runtime.v2.task",
  "tasks-service": "io.containerd.service.v1.tasks-service",
  zfs: "io.containerd.snapshotter.v1.zfs",
};

/** A file of version 1 with its plugins under their full names; the same object where none has a short one. */
export function withFullNames(toml: Toml, version: number): Toml {
  const { plugins } = toml;
  if (version > 1 || !isTable(plugins)) return toml;
  if (!Object.keys(plugins).some((name) => Object.hasOwn(uris, name))) return toml;
  const renamed = Object.entries(plugins).map(([name, value]) => [uris[name] ?? name, value] as const);
  const full = Object.entries(plugins).filter(([name]) => !Object.hasOwn(uris, name));
  return { ...toml, plugins: Object.fromEntries([...renamed, ...full]) };
}

const CRI = "io.containerd.grpc.v1.cri";
const CRI_IMAGES = "io.containerd.cri.v1.images";

/** A file with what was the table `registry` of the CRI plugin where version 3 has it: in a plugin for images. */
export function withMovedRegistry(toml: Toml, version: number): Toml {
  const { plugins } = toml;
  if (version > 2 || !isTable(plugins)) return toml;
  const { [CRI]: cri, [CRI_IMAGES]: images } = plugins;
  if (!isTable(cri) || cri.registry === undefined || images !== undefined) return toml;
  const { registry, ...rest } = cri;
  const { [CRI]: _, ...others } = plugins;
  const left = Object.keys(rest).length === 0 ? {} : { [CRI]: rest };
  return { ...toml, plugins: { ...others, ...left, [CRI_IMAGES]: { registry } } };
}

const isTable = (value: unknown): value is Toml => typeof value === "object" && value !== null && !Array.isArray(value);
