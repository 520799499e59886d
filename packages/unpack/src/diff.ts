// The changes from one tree to another as a layer: the OCI image specification's changesets, in sorted order so that
// the same trees give the same bytes.
import { emptyMember, encodeTarHeader, failedPrecondition, internalError, paddedSize, type TarType } from "@berth/base";
import { dropCapabilities, type Fd } from "@berth/host";
import { startCompressor } from "./compression.ts";
import { differs, type Found, findEntry } from "./entry.ts";
import type { DiffJob } from "./job.ts";
import { WHITEOUT } from "./layer.ts";
import { openMounts } from "./mounts.ts";
import { namesOf } from "./names.ts";
import { type Entry, HashedStream, S, tree } from "./tree.ts";

/** Reading everything is all that a diff needs. */
const NEEDED = ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"];

export interface Diffed {
  /** Of the uncompressed tar. */
  readonly diffId: string;
  readonly size: number;
}

/** Writes the layer, compressed if so asked for, to `output`. */
export function diff(job: DiffJob, output: Fd): Diffed {
  const lower = job.lower.length === 0 ? null : openMounts(job.lower, `${job.mountPoint}/lower`);
  using upper = openMounts(job.upper, `${job.mountPoint}/upper`);
  const filter = job.compression === "none" ? null : startCompressor(job.compression, output);
  dropCapabilities(NEEDED);
  using stream = new HashedStream(filter?.fd ?? output);
  const walk = createWalk(stream);
  walk.directory(lower, upper, []);
  lower?.close();
  stream.write(new Uint8Array(1024));
  const result = { diffId: `sha256:${stream.sum()}`, size: stream.total };
  filter?.end();
  return result;
}

function createWalk(stream: HashedStream) {
  /** Directories on the way to the present one that are not in the tar yet: a change in them brings them in. */
  const pending: Found[] = [];
  const links = new Map<string, string>();

  /** `lower` is null where the directory is new. */
  function directory(lower: Fd | null, upper: Fd, path: readonly string[]): void {
    const before = lower === null ? [] : namesOf(lower);
    const after = new Set(namesOf(upper));
    const names = [...new Set([...before, ...after])].sort();
    for (const name of names) {
      const old = lower === null ? null : findEntry(lower, name, path);
      const now = after.has(name) ? findEntry(upper, name, path) : null;
      if (now === null) remove([...path, name]);
      else if (isDirectory(now.entry)) enter(lower, upper, old, now);
      else if (old === null || differs(old, now)) add(now);
    }
  }

  function enter(lower: Fd | null, upper: Fd, old: Found | null, now: Found): void {
    const merged = lower !== null && old !== null && isDirectory(old.entry);
    if (merged && old.entry.ino === now.entry.ino && old.entry.dev === now.entry.dev) return;
    const depth = pending.length;
    pending.push(now);
    if (!merged || differs(old, now)) flush();
    using inside = tree.openDirectory(upper, now.name);
    if (merged) {
      using below = tree.openDirectory(lower, now.name);
      directory(below, inside, now.path);
    } else {
      directory(null, inside, now.path);
    }
    pending.length = Math.min(pending.length, depth);
  }

  function flush(): void {
    for (const found of pending.splice(0)) writeHeader(found, "directory", 0, "");
  }

  function remove(path: readonly string[]): void {
    checkName(path);
    flush();
    const name = [...path.slice(0, -1), `${WHITEOUT}${path[path.length - 1]}`].join("/");
    stream.write(encodeTarHeader({ ...emptyMember, name }));
  }

  function add(found: Found): void {
    const type = typeOf(found.entry);
    // A socket is of a process, not of an image (containerd leaves it out, too).
    if (type === null) return;
    flush();
    const inode = `${found.entry.dev}:${found.entry.ino}`;
    const first = found.entry.nlink > 1 ? links.get(inode) : undefined;
    if (first !== undefined) {
      writeHeader(found, "hardlink", 0, first);
      return;
    }
    if (found.entry.nlink > 1) links.set(inode, found.path.join("/"));
    if (type !== "file") {
      writeHeader(found, type, 0, found.link);
      return;
    }
    using file = tree.openFile(found.directory, found.name);
    const { size } = found.entry;
    writeHeader(found, type, size, "");
    if (stream.copyFrom(file, size) !== size)
      throw internalError(`${JSON.stringify(found.path.join("/"))} has become shorter while it was read`);
    stream.write(new Uint8Array(paddedSize(size) - size));
  }

  function writeHeader(found: Found, type: TarType, size: number, link: string): void {
    checkName(found.path);
    const { entry } = found;
    const path = found.path.join("/");
    stream.write(
      encodeTarHeader({
        name: type === "directory" ? `${path}/` : path,
        type,
        mode: entry.mode & 0o7777,
        uid: entry.uid,
        gid: entry.gid,
        size,
        mtime: entry.mtime,
        link,
        major: entry.major,
        minor: entry.minor,
        xattrs: type === "hardlink" ? new Map() : found.xattrs,
      }),
    );
  }

  return { directory };
}

/** A layer says by such names what it removes (image-spec layer.md, "Whiteouts"): on a file they would remove another. */
function checkName(path: readonly string[]): void {
  if (path[path.length - 1]?.startsWith(WHITEOUT) === true)
    throw failedPrecondition(
      `${JSON.stringify(path.join("/"))} begins with ${WHITEOUT}, which no file of a layer can: rename or remove it`,
    );
}

const isDirectory = (entry: Entry): boolean => (entry.mode & S.IFMT) === S.IFDIR;

const types: readonly (readonly [number, TarType])[] = [
  [S.IFREG, "file"],
  [S.IFDIR, "directory"],
  [S.IFLNK, "symlink"],
  [S.IFIFO, "fifo"],
  [S.IFCHR, "char"],
  [S.IFBLK, "block"],
];

const typeOf = (entry: Entry): TarType | null => types.find(([bits]) => bits === (entry.mode & S.IFMT))?.[1] ?? null;
