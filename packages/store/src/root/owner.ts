// Whose a directory looks like, by the names in it: so that a refusal says what somebody has pointed berthd at.

/** Directories of this version and of those before the marker. */
const own = new Set([
  "io.berth.metadata.v1.sqlite",
  "io.berth.copies.v1",
  "io.berth.engine.v1",
  "io.berth.quarantine.v1",
  "io.containerd.content.v1.content",
  "io.containerd.snapshotter.v1.overlayfs",
  "io.containerd.snapshotter.v1.native",
  "io.containerd.runtime.v2.task",
  "io.containerd.grpc.v1.introspection",
]);

interface Kind {
  readonly owner: string;
  /** Any of these settles it. */
  readonly sure: readonly RegExp[];
  /** Three of these do. */
  readonly hints: readonly string[];
}

const kinds: readonly Kind[] = [
  {
    owner: "containerd's",
    sure: [
      /^io\.containerd\.metadata\.v1\.bolt$/,
      /^io\.containerd\.runtime\.v1\.linux$/,
      /^io\.containerd\.grpc\.v1\.cri$/,
      /^io\.containerd\.(sandbox|mount|image-verifier)\./,
      /^containerd\.sock(\.ttrpc)?$/,
    ],
    hints: [],
  },
  {
    owner: "Docker's",
    sure: [/^engine-id$/, /^docker\.(sock|pid)$/],
    hints: [
      "image",
      "containers",
      "network",
      "volumes",
      "overlay2",
      "buildkit",
      "swarm",
      "trust",
      "plugins",
      "runtimes",
    ],
  },
  {
    owner: "that of Podman or CRI-O",
    sure: [/^(overlay|vfs)-(images|containers|layers)$/, /^db\.sql$/, /^bolt_state\.db$/],
    hints: [],
  },
];

/** `containerd's (it has io.containerd.metadata.v1.bolt)`; null where the names say nothing. */
export function ownerOf(names: readonly string[]): string | null {
  for (const { owner, sure, hints } of kinds) {
    const sign = names.find((name) => sure.some((pattern) => pattern.test(name)));
    if (sign !== undefined) return `${owner} (it has ${sign})`;
    const found = hints.filter((name) => names.includes(name));
    if (found.length >= 3) return `${owner} (it has ${found.slice(0, 3).join(", ")})`;
  }
  // What berth itself lays out as containerd does, without its database.
  const shared = names.find((name) => name.startsWith("io.containerd."));
  return shared === undefined || names.some(isBerths) ? null : `containerd's (it has ${shared})`;
}

/** Whether only berth gives this name. */
export const isBerths = (name: string): boolean => name.startsWith("io.berth.");

/** Whether a root of berth may have it. */
export const isOwn = (name: string): boolean => own.has(name) || /^overlay-probe-/.test(name);
