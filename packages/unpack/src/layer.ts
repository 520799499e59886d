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
import { type Fd, type HashedStream, isCode, S, SystemError, tree } from "@berth/host";
import { namesOf } from "./names.ts";
import { cleanName, type Place, type Root } from "./root.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** AUFS's own files: `.wh..wh.plnk`, `.wh..wh.aufs`, `.wh..wh.orph`. */
const AUFS = ".wh..wh.";

/**
 * What is remembered of one layer at most: names of members, for opaque directories, and directories, for their times.
 * Each takes some 230 bytes, and the host's heap has 256 MiB.
 */
const MAX_NAMES = 700_000;
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
  // On an empty root there is nothing that an opaque directory could hide: a base layer may have any number of files.
  const isBase = namesOf(root.fd).length === 0;
  const seen = new Set<string>();
  const directories: (readonly [parts: string[], mtime: TarMember["mtime"]])[] = [];
  const ignored = new Set<string>();

  return {
    ignored,
    add(member, body) {
      const parts = cleanName(member.name, "the member");
      const base = parts[parts.length - 1];
      // The root itself is whoever made the snapshot's (containerd leaves it alone, too).
      if (base === undefined) return body.copyTo(null, member.size) === member.size;
      if (parts[0]?.startsWith(AUFS) && base !== OPAQUE) return body.copyTo(null, member.size) === member.size;
      if (seen.size >= MAX_NAMES) throw resourceExhausted(`the layer has more than ${MAX_NAMES} members`);
      if (directories.length >= MAX_DIRECTORIES)
        throw resourceExhausted(`the layer has more than ${MAX_DIRECTORIES} directories`);
      try {
        if (base.startsWith(WHITEOUT)) {
          whiteOut(parts, base);
          return body.copyTo(null, member.size) === member.size;
        }
        if (!isBase) seen.add(parts.join("/"));
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
    const above = parts.slice(0, -1);
    if (base === OPAQUE) {
      if (!isBase) hideLower(above);
      return;
    }
    const hidden = base.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..")
      throw invalidArgument(`the whiteout ${JSON.stringify(parts.join("/"))} names no file`);
    using found = root.existing([...above, hidden]);
    if (found === null) return;
    tree.remove(found.directory, found.name);
    root.forget();
  }

  /** Removes what the layers below have put into the directory; what this layer has put there stays. */
  function hideLower(parts: readonly string[]): void {
    using found = root.existing([...parts, "."]);
    if (found === null) return;
    for (const name of namesOf(found.directory)) {
      const path = [...parts, name];
      if (!seen.has(path.join("/"))) tree.remove(found.directory, name);
      else if (isDirectory(found.directory, name)) hideLower(path);
    }
    root.forget();
  }

  function write(member: TarMember, parts: string[], body: HashedStream): boolean {
    const place = root.place(parts);
    const there = tree.stat(place.directory, place.name);
    const merges = there !== null && (there.mode & S.IFMT) === S.IFDIR && member.type === "directory";
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
        // The inode has the first member's owner and mode; a chown here would clear its setuid bit.
        link(member, at);
        return true;
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
    const symlink = member.type === "symlink";
    tree.setAttributes(at.directory, at.name, member.uid, member.gid, symlink ? null : member.mode);
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

function isDirectory(at: Fd, name: string): boolean {
  const entry = tree.stat(at, name);
  return entry !== null && (entry.mode & S.IFMT) === S.IFDIR;
}

/** Times before 1970 become 1970, as containerd has it. */
const clamped = (time: TarMember["mtime"]): TarMember["mtime"] =>
  time.seconds < 0 ? { seconds: 0, nanoseconds: 0 } : time;

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
