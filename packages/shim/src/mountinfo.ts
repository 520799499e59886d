// /proc/<pid>/mountinfo (proc_pid_mountinfo(5)), as far as a shim needs it.

export interface MountEntry {
  readonly mountPoint: string;
  /** Path inside the mounted file system that is seen here. */
  readonly root: string;
  readonly type: string;
  /** Super options, comma separated: a v1 cgroup's controllers are among them. */
  readonly superOptions: string;
}

/** The kernel writes space, tab, newline and backslash as `\ooo`. */
function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes: number[] = [];
  const encoded = new TextEncoder().encode(text);
  for (let from = 0; from < encoded.length; from++) {
    const byte = encoded[from] as number;
    if (byte === 0x5c && from + 3 < encoded.length) {
      bytes.push(
        (((encoded[from + 1] as number) - 48) << 6) |
          (((encoded[from + 2] as number) - 48) << 3) |
          ((encoded[from + 3] as number) - 48),
      );
      from += 3;
    } else bytes.push(byte);
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** The mounts, in the order in which they were made. Lines that are not understood are left out. */
export function parseMountinfo(text: string): MountEntry[] {
  const out: MountEntry[] = [];
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    const separator = words.indexOf("-", 6);
    const root = words[3];
    const mountPoint = words[4];
    if (separator < 0 || root === undefined || mountPoint === undefined) continue;
    out.push({
      root: unescaped(root),
      mountPoint: unescaped(mountPoint),
      type: words[separator + 1] ?? "",
      superOptions: words[separator + 3] ?? "",
    });
  }
  return out;
}

/** Mount points at and below a path, deepest and latest first: the order in which to unmount them. */
export function mountsBelow(mounts: readonly MountEntry[], path: string): string[] {
  return mounts
    .map((mount) => mount.mountPoint)
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .reverse();
}
