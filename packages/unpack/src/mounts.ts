import { BerthError, failedPrecondition, invalidArgument, type Mount, messageOf, unknownError } from "@berth/base";
import {
  detachedOverlay,
  Fd,
  fitsPage,
  isCode,
  MS,
  mkdirAll,
  mount,
  mountOverlay,
  O,
  open,
  SystemError,
  unshareMounts,
} from "@berth/host";
import { tree } from "./tree.ts";

const LOWER = "lowerdir=";

/** fstab's words for mount(2)'s flags; a word with `clear` takes the flag away. */
const words: Readonly<Record<string, { readonly set?: number; readonly clear?: number }>> = {
  async: { clear: MS.SYNCHRONOUS },
  atime: { clear: MS.NOATIME },
  bind: { set: MS.BIND },
  defaults: {},
  dev: { clear: MS.NODEV },
  diratime: { clear: MS.NODIRATIME },
  dirsync: { set: MS.DIRSYNC },
  exec: { clear: MS.NOEXEC },
  noatime: { set: MS.NOATIME },
  nodev: { set: MS.NODEV },
  nodiratime: { set: MS.NODIRATIME },
  noexec: { set: MS.NOEXEC },
  nosuid: { set: MS.NOSUID },
  rbind: { set: MS.BIND | MS.REC },
  relatime: { set: MS.RELATIME },
  ro: { set: MS.RDONLY },
  rw: { clear: MS.RDONLY },
  strictatime: { set: MS.STRICTATIME },
  suid: { clear: MS.NOSUID },
  sync: { set: MS.SYNCHRONOUS },
};

const isReadOnly = (made: Mount): boolean => {
  const last = made.options.filter((option) => option === "ro" || option === "rw").pop();
  return last === "ro";
};

/** Throws failed-precondition where nothing can be written through the mounts. */
export function checkWritable(mounts: readonly Mount[]): void {
  const [first] = mounts;
  if (first === undefined) throw invalidArgument("no mounts were given to write the layer to");
  const writable = first.type !== "overlay" || first.options.some((option) => option.startsWith("upperdir="));
  if (isReadOnly(first) || !writable)
    throw failedPrecondition(`the mount of ${JSON.stringify(first.source)} is read-only: prepare an active snapshot`);
}

/**
 * The directory at the top of the mounts. A single bind needs no mount: it is its source. An overlay is mounted
 * nowhere and used through its descriptor. Everything else, and overlays where the kernel cannot do that, is mounted on
 * `target`, in a mount namespace of this process's own.
 *
 * An overlay is mounted rather than written to below (upperdir and handmade whiteouts): links in the lower
 * layers then resolve as in a container (`lib -> usr/lib`, member `lib/x`), hard links to lower files work, and the
 * whiteouts are the kernel's own.
 */
export function openMounts(mounts: readonly Mount[], target: string): Fd {
  const [first] = mounts;
  if (first === undefined) throw invalidArgument("no mounts were given");
  const bind = first.type === "bind" || first.options.includes("bind") || first.options.includes("rbind");
  if (mounts.length === 1 && bind && first.target === "") return open(first.source, O.RDONLY | O.DIRECTORY);
  for (const { source, target: below } of mounts)
    if (below !== "")
      throw invalidArgument(`the mount of ${JSON.stringify(source)} has a target below the root: not supported`);
  const refused = mounts.length === 1 && first.type === "overlay" ? tryDetached(first) : null;
  if (refused instanceof Fd) return refused;
  mkdirAll(target, 0o700);
  enterNamespace(first, refused);
  for (const made of mounts) {
    try {
      makeMount(made, target);
    } catch (cause) {
      // The first answer has the kernel's own words.
      throw notMounted(made, refused !== null && isCode(refused, "EINVAL") ? refused : cause);
    }
  }
  return open(target, O.RDONLY | O.DIRECTORY);
}

/** The root of the overlay, or why this kernel (before 5.2 or 6.5) or our lack of rights does not allow it. */
function tryDetached(made: Mount): Fd | SystemError | null {
  const { flags, data } = parseOptions(made.options);
  // An escaped path means itself to mount(2) only.
  if (data.some((option) => option.includes("\\"))) return null;
  const lower = data
    .filter((option) => option.startsWith(LOWER))
    .flatMap((option) => option.slice(LOWER.length).split(":"));
  const others = data.filter((option) => !option.startsWith(LOWER));
  try {
    // Stays open: the mount goes with it.
    const mounted = detachedOverlay(made.source, flags, lower, others);
    return tree.resolve(mounted, "");
  } catch (error) {
    if (error instanceof SystemError && isCode(error, "ENOSYS", "EPERM", "EINVAL", "ENODEV")) return error;
    throw notMounted(made, error);
  }
}

/** Throws where the mounts of a namespace cannot be kept from the machine's: its root is no mount point. */
function enterNamespace(made: Mount, refused: SystemError | null): void {
  try {
    unshareMounts();
  } catch (cause) {
    if (refused !== null) throw notMounted(made, refused);
    if (!isCode(cause, "EINVAL")) throw cause;
    throw notMounted(
      made,
      new Error("the root directory is no mount point: bind-mount it onto itself before the chroot", { cause }),
    );
  }
}

/** What was asked for cannot be done: no mistake of ours. */
function notMounted(made: Mount, cause: unknown): unknown {
  if (cause instanceof BerthError) return cause;
  return unknownError(
    `failed to mount ${JSON.stringify(made.source)} of type ${JSON.stringify(made.type)}: ${messageOf(cause)}: unknown`,
    { cause },
  );
}

function parseOptions(options: readonly string[]): { readonly flags: number; readonly data: readonly string[] } {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    // Not what every object inherits: an option may be called `constructor`.
    const word = Object.hasOwn(words, option) ? words[option] : undefined;
    if (word === undefined) data.push(option);
    else flags = (flags | (word.set ?? 0)) & ~(word.clear ?? 0);
  }
  return { flags, data };
}

function makeMount(made: Mount, target: string): void {
  const { flags, data } = parseOptions(made.options);
  const text = data.join(",");
  if (made.type === "overlay" && !fitsPage(text)) mountOverlay(made.source, target, flags, data);
  else mount(made.source, target, made.type, flags, text);
  // A bind ignores every other flag until it is mounted again (mount(2), "Remounting an existing mount").
  if ((flags & MS.BIND) !== 0 && (flags & MS.RDONLY) !== 0)
    mount(made.source, target, made.type, (flags & ~MS.REC) | MS.REMOUNT, "");
}
