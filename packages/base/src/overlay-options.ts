/** Options of an overlay mount, its lower directories seen from the directory above them all. */
export interface ShortOptions {
  /** Absolute; empty if there is none but the root. */
  readonly directory: string;
  /** Paths from there, topmost first. */
  readonly lower: readonly string[];
  readonly others: readonly string[];
}

const LOWER = "lowerdir=";

/** Like containerd (mount_linux.go, compactLowerdirOption), colons are taken for what separates directories. */
export function shortOptions(options: readonly string[]): ShortOptions {
  const paths =
    options
      .find((option) => option.startsWith(LOWER))
      ?.slice(LOWER.length)
      .split(":") ?? [];
  const others = options.filter((option) => !option.startsWith(LOWER));
  let common: string | null = null;
  for (const path of paths) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    common ??= parent;
    while (common !== "" && parent !== common && !parent.startsWith(`${common}/`))
      common = common.slice(0, Math.max(0, common.lastIndexOf("/")));
  }
  const directory = common?.startsWith("/") === true ? common : "";
  const from = directory === "" ? 0 : directory.length + 1;
  return { directory, lower: paths.map((path) => path.slice(from)), others };
}
