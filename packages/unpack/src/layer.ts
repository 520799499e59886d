// Members of a layer onto a directory tree, as the OCI image specification says (image-spec layer.md) and
// containerd does (archive/tar.go).
import {
  type BerthError,
  internalError,
  invalidArgument,
  permissionDenied,
  resourceExhausted,
  type TarMember,
} from "@berth/base";
import { type Fd, isCode, SystemError } from "@berth/host";
import { namesOf, splitNames } from "./names.ts";
import { createOwnEntries, type OwnEntries, type Shared } from "./own-entries.ts";
import { cleanName, IMPLIED_MODE, type Place, type Root } from "./root.ts";
import { type HashedStream, S, tree } from "./tree.ts";

export const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** AUFS's own files: `.wh..wh.plnk`, `.wh..wh.aufs`, `.wh..wh.orph`. */
const AUFS = ".wh..wh.";

/** Directories of one layer whose times are remembered: some 230 bytes each, and the host's heap has 256 MiB. */
const MAX_DIRECTORIES = 250_000;

const deviceTypes = { char: S.IFCHR, block: S.IFBLK, fifo: S.IFIFO } as const;

export interface LayerWriter {
  /** Takes one member and its body from the stream; false where the stream ended within the body. */
  add(member: TarMember, body: HashedStream): boolean;
  /** Sets the times of the directories, which every member in them has changed. */
  finish(): void;
  /** Extended attributes that were left out: `trusted.*`, and what the filesystem does not take. */
  readonly ignored: ReadonlySet<string>;
}

export function createLayerWriter(root: Root): LayerWriter {
  // On an empty root there is nothing that a whiteout could hide: a base layer may have any number of files.
  const own = namesOf(root.fd).length === 0 ? null : createOwnEntries();
  root.onMade = own === null ? null : (path) => own.mark(path, "own");
  const directories: (readonly [parts: string[], mtime: TarMember["mtime"]])[] = [];
  const ignored = new Set<string>();

  return {
    ignored,
    add(member, body) {
      const parts = cleanName(member.name, "the member");
      const base = parts[parts.length - 1];
      // The root itself belongs to the snapshot (containerd leaves it alone, too).
      if (base === undefined) return body.copyTo(null, member.size) === member.size;
      if (parts[0]?.startsWith(AUFS) && base !== OPAQUE) return body.copyTo(null, member.size) === member.size;
      if (directories.length >= MAX_DIRECTORIES)
        throw resourceExhausted(`the layer has more than ${MAX_DIRECTORIES} directories`);
      try {
        if (base.startsWith(WHITEOUT)) {
          whiteOut(parts, base);
          return body.copyTo(null, member.size) === member.size;
        }
        return write(member, parts, body);
      } catch (error) {
        throw explained(error, member);
      }
    },
    finish() {
      for (const [parts, mtime] of directories) {
        using found = root.existing(parts);
        if (found === null) continue;
        const entry = tree.stat(found.directory, found.name);
        if (entry !== null && (entry.mode & S.IFMT) === S.IFDIR) tree.setTimes(found.directory, found.name, mtime);
      }
    },
  };

  function whiteOut(parts: readonly string[], base: string): void {
    const hidden = base.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..")
      throw invalidArgument(`the whiteout ${JSON.stringify(parts.join("/"))} names no file`);
    // Its directory is made, as any member's is (containerd does so, too).
    const { directory } = root.place(parts);
    if (own === null || own.enter(root.realPath)) return;
    if (base === OPAQUE) hideBelow(own, root.realPath);
    else hide(own, directory, hidden, within(root.realPath, hidden));
    root.forget();
  }

  /** Takes away what the layers below say of an entry; what this layer has put there stays. */
  function hide(own: OwnEntries, directory: Fd, name: string, path: string): void {
    const mark = own.at(path);
    if (mark === null) tree.remove(directory, name);
    if (mark === null || mark === "own") return;
    hideBelow(own, path);
    undress(directory, name, mark);
    own.mark(path, "own");
  }

  /** Not by recursion: directories may be thousands deep. */
  function hideBelow(own: OwnEntries, path: string): void {
    const waiting = [path];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const shared = own.at(at);
      if (shared === "own" || shared === null || shared.emptied) continue;
      using directory = tree.resolve(root.fd, at);
      for (const name of namesOf(directory)) {
        const below = within(at, name);
        const mark = own.at(below);
        if (mark === null) tree.remove(directory, name);
        if (mark === null || mark === "own") continue;
        undress(directory, name, mark);
        waiting.push(below);
      }
      own.mark(at, { ...shared, emptied: true });
    }
  }

  /** Leaves a directory with what this layer says of it, and with nothing that a layer below has said. */
  function undress(directory: Fd, name: string, { xattrs }: Shared): void {
    if (xattrs === null) tree.setAttributes(directory, name, 0, 0, IMPLIED_MODE);
    for (const key of splitNames(tree.xattrs(directory, name)))
      if (isLayers(key) && xattrs?.has(key) !== true) tree.removeXattr(directory, name, key);
  }

  function write(member: TarMember, parts: string[], body: HashedStream): boolean {
    const place = root.place(parts);
    const there = tree.stat(place.directory, place.name);
    const merges = there !== null && (there.mode & S.IFMT) === S.IFDIR && member.type === "directory";
    if (own !== null && !own.enter(root.realPath)) note(own, within(root.realPath, place.name), member, merges);
    let at = place;
    if (there !== null && !merges) {
      tree.remove(place.directory, place.name);
      root.forget();
      at = root.place(parts);
    }
    switch (member.type) {
      case "file":
        return writeFile(member, at, body);
      case "hardlink":
        link(member, at);
        break;
      case "symlink":
        if (member.link === "") throw invalidArgument(`the symbolic link ${JSON.stringify(member.name)} has no target`);
        tree.symlink(at.directory, at.name, member.link);
        break;
      case "directory":
        if (!merges) tree.mkdir(at.directory, at.name, 0o700);
        directories.push([parts, clamped(member.mtime)]);
        break;
      default:
        makeDevice(member, at);
    }
    setMetadata(member, at);
    return true;
  }

  function note(own: OwnEntries, path: string, member: TarMember, merges: boolean): void {
    const before = own.at(path);
    if (!merges) own.mark(path, "own");
    else if (before !== "own")
      own.mark(path, { xattrs: new Set(member.xattrs.keys()), emptied: before?.emptied ?? false });
  }

  function writeFile(member: TarMember, at: Place, body: HashedStream): boolean {
    using file = tree.create(at.directory, at.name);
    const whole = body.copyTo(file, member.size) === member.size;
    if (whole) setMetadata(member, at);
    return whole;
  }

  function link(member: TarMember, at: Place): void {
    const target = cleanName(member.link, `the target of hard link ${JSON.stringify(member.name)}, which is`);
    const missing = (): BerthError =>
      invalidArgument(
        `the hard link ${JSON.stringify(member.name)} points at ${JSON.stringify(member.link)}, which is not there`,
      );
    if (target.length === 0) throw missing();
    using existing = root.existing(target);
    if (existing === null) throw missing();
    try {
      tree.link(at.directory, at.name, existing.directory, existing.name);
    } catch (error) {
      if (isCode(error, "ENOENT")) throw missing();
      throw error;
    }
  }

  function makeDevice(member: TarMember, at: Place): void {
    const type = deviceTypes[member.type as keyof typeof deviceTypes];
    // 0:0 is how overlayfs stores a whiteout: such a member would hide a file without saying so.
    if (member.type === "char" && member.major === 0 && member.minor === 0)
      throw invalidArgument(`the member ${JSON.stringify(member.name)} is the character device 0:0, which is reserved`);
    try {
      tree.mknod(at.directory, at.name, type | member.mode, member.major, member.minor);
    } catch (error) {
      if (isCode(error, "EPERM"))
        throw permissionDenied(`the device ${JSON.stringify(member.name)} cannot be made here: devices need root`);
      throw error;
    }
  }

  function setMetadata(member: TarMember, at: Place): void {
    tree.setAttributes(at.directory, at.name, member.uid, member.gid, isSymlink(member, at) ? null : member.mode);
    for (const [key, value] of member.xattrs) setXattr(at, key, value);
    if (member.type !== "directory") tree.setTimes(at.directory, at.name, clamped(member.mtime));
  }

  function setXattr(at: Place, key: string, value: Uint8Array): void {
    // trusted.* and user.overlay.* steer overlayfs, and a layer has no say in that.
    if (key.startsWith("trusted.") || key.startsWith("user.overlay.")) {
      ignored.add(key);
      return;
    }
    try {
      tree.setXattr(at.directory, at.name, key, value);
    } catch (error) {
      // EPERM: user.* on what is neither file nor directory (xattr(7)), labels of a security module.
      const optional = key !== "security.capability" && isCode(error, "EPERM");
      if (!optional && !isCode(error, "EOPNOTSUPP", "ENOTSUP")) throw error;
      ignored.add(key);
    }
  }
}

/** A hard link has owner, mode and time of its own, and the last member for a file counts (as with containerd). */
function isSymlink(member: TarMember, at: Place): boolean {
  if (member.type !== "hardlink") return member.type === "symlink";
  const entry = tree.stat(at.directory, at.name);
  return entry !== null && (entry.mode & S.IFMT) === S.IFLNK;
}

const within = (directory: string, name: string): string => (directory === "" ? name : `${directory}/${name}`);

/** Attributes that a layer may have set: not a security module's, nor overlayfs's own. */
const isLayers = (key: string): boolean =>
  key.startsWith("user.") || key.startsWith("system.posix_acl_") || key === "security.capability";

/** The last second that 2^63 nanoseconds reach, in 2262. */
const LAST_SECOND = 9_223_372_036;

/** Times before 1970, and after 2262, become 1970, as containerd has it (archive/time.go). */
const clamped = (time: TarMember["mtime"]): TarMember["mtime"] =>
  time.seconds < 0 || time.seconds > LAST_SECOND ? { seconds: 0, nanoseconds: 0 } : time;

/** An error of a call, as a sentence about the member. */
function explained(error: unknown, member: TarMember): unknown {
  if (!(error instanceof SystemError)) return error;
  const name = JSON.stringify(member.name.length > 300 ? `${member.name.slice(0, 300)}…` : member.name);
  if (isCode(error, "ENAMETOOLONG")) return invalidArgument(`the name of the member ${name} is too long`);
  if (isCode(error, "ENOSPC", "EDQUOT"))
    return resourceExhausted(`no space is left on the disk for the member ${name}: free some and unpack again`, {
      cause: error,
    });
  return internalError(`the member ${name} cannot be written: ${error.message}`, { cause: error });
}
