// A directory tree that is not trusted, and streams that are hashed on their way: what berth-unpack is made of.
// Every call takes a directory's descriptor and one name, follows no link and never waits for the loop.
import { native } from "berth:native";
import { check, Fd } from "@berth/host";

declare module "berth:native" {
  interface Native {
    // tree.c
    treeResolve(root: number, path: string): Result;
    treeCreate(directory: number, name: string): Result;
    treeOpen(directory: number, name: string, isDirectory: boolean): Result;
    treeMkdir(directory: number, name: string, mode: number): Result;
    treeSymlink(directory: number, name: string, target: string): Result;
    treeLink(directory: number, name: string, existingDirectory: number, existingName: string): Result;
    treeMknod(directory: number, name: string, mode: number, major: number, minor: number): Result;
    treeSetAttributes(directory: number, name: string, uid: number, gid: number, mode: number): Result;
    treeSetTimes(directory: number, name: string, seconds: number, nanoseconds: number): Result;
    treeSetXattr(directory: number, name: string, key: string, value: Uint8Array): Result;
    treeXattrs(directory: number, name: string): BytesResult;
    treeXattr(directory: number, name: string, key: string): BytesResult;
    treeRemoveXattr(directory: number, name: string, key: string): Result;
    treePath(directory: number): BytesResult;
    treeStat(directory: number, name: string): readonly number[] | number;
    treeReadlink(directory: number, name: string): BytesResult;
    treeNames(directory: number): BytesResult;
    treeRemove(directory: number, name: string): Result;
    treeSameContent(a: number, b: number): Result;
    treeSync(directory: number): Result;
    treeConfine(directory: number): Result;

    // stream.c
    streamOpen(fd: number): Result;
    streamClose(handle: number): void;
    streamRead(handle: number, into: Uint8Array): Result;
    streamCopy(handle: number, fd: number, count: number): Result;
    streamWrite(handle: number, bytes: Uint8Array): Result;
    streamSend(handle: number, fd: number, count: number): Result;
    streamSum(handle: number): string;
    streamTotal(handle: number): number;
    streamPeek(handle: number): BytesResult;
    byteSum(bytes: Uint8Array): number;

    // filter.c
    filterStart(path: string, argument: string, stdin: number, stdout: number, stderr: number): Result;
    filterEnd(pid: number): Result;
    dieWithParent(): Result;
  }
}

/** What lies under a name, itself and not what it points at. */
export interface Entry {
  /** With the type's bits (S_IFMT). */
  readonly mode: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: number;
  readonly dev: number;
  readonly major: number;
  readonly minor: number;
  readonly nlink: number;
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
}

export const S = {
  IFMT: 0o170000,
  IFDIR: 0o040000,
  IFREG: 0o100000,
  IFLNK: 0o120000,
  IFIFO: 0o010000,
  IFCHR: 0o020000,
  IFBLK: 0o060000,
  IFSOCK: 0o140000,
} as const;

const ENOENT = -2;

/** Names may hold bytes that are no UTF-8 as lone surrogates (decodeName of @berth/base); they come out as bytes. */
export const tree = {
  /** The directory at `path`, with links followed inside `root` only; an empty path is the root. */
  resolve: (root: Fd, path: string): Fd => new Fd(check(native.treeResolve(root.number, path), "openat2", path), path),
  /** A new file, for writing. */
  create: (at: Fd, name: string): Fd => new Fd(check(native.treeCreate(at.number, name), "create", name), name),
  openFile: (at: Fd, name: string): Fd => new Fd(check(native.treeOpen(at.number, name, false), "open", name), name),
  openDirectory: (at: Fd, name: string): Fd =>
    new Fd(check(native.treeOpen(at.number, name, true), "open", name), name),
  mkdir(at: Fd, name: string, mode: number): void {
    check(native.treeMkdir(at.number, name, mode), "mkdir", name);
  },
  symlink(at: Fd, name: string, target: string): void {
    check(native.treeSymlink(at.number, name, target), "symlink", name);
  },
  link(at: Fd, name: string, existingAt: Fd, existingName: string): void {
    check(native.treeLink(at.number, name, existingAt.number, existingName), "link", name);
  },
  /** `mode` has the type's bits. */
  mknod(at: Fd, name: string, mode: number, major: number, minor: number): void {
    check(native.treeMknod(at.number, name, mode, major, minor), "mknod", name);
  },
  /** Owner, then mode; a null mode is left alone, as it must be for symlinks. */
  setAttributes(at: Fd, name: string, uid: number, gid: number, mode: number | null): void {
    check(native.treeSetAttributes(at.number, name, uid, gid, mode ?? -1), "chown", name);
  },
  setTimes(at: Fd, name: string, time: { readonly seconds: number; readonly nanoseconds: number }): void {
    check(native.treeSetTimes(at.number, name, time.seconds, time.nanoseconds), "utimensat", name);
  },
  setXattr(at: Fd, name: string, key: string, value: Uint8Array): void {
    check(native.treeSetXattr(at.number, name, key, value), "setxattr", name);
  },
  /** Names of the extended attributes, each ended by a zero byte. */
  xattrs: (at: Fd, name: string): Uint8Array =>
    check<Uint8Array>(native.treeXattrs(at.number, name), "listxattr", name),
  xattr: (at: Fd, name: string, key: string): Uint8Array =>
    check<Uint8Array>(native.treeXattr(at.number, name, key), "getxattr", name),
  removeXattr(at: Fd, name: string, key: string): void {
    check(native.treeRemoveXattr(at.number, name, key), "removexattr", name);
  },
  /** Where the directory is below the process's root, links resolved: as bytes. */
  path: (at: Fd): Uint8Array => check<Uint8Array>(native.treePath(at.number), "getcwd", at.what),
  /** null: there is nothing of that name. */
  stat(at: Fd, name: string): Entry | null {
    const result = native.treeStat(at.number, name);
    if (result === ENOENT) return null;
    const [
      mode = 0,
      size = 0,
      uid = 0,
      gid = 0,
      ino = 0,
      dev = 0,
      major = 0,
      minor = 0,
      nlink = 0,
      seconds = 0,
      nanoseconds = 0,
    ] = check<readonly number[]>(result, "stat", name);
    return { mode, size, uid, gid, ino, dev, major, minor, nlink, mtime: { seconds, nanoseconds } };
  },
  readlink: (at: Fd, name: string): Uint8Array =>
    check<Uint8Array>(native.treeReadlink(at.number, name), "readlink", name),
  /** Names of the entries, each ended by a zero byte, in no order. */
  names: (at: Fd): Uint8Array => check<Uint8Array>(native.treeNames(at.number), "readdir", at.what),
  /** With everything below; a missing name is fine. */
  remove(at: Fd, name: string): void {
    const result = native.treeRemove(at.number, name);
    if (result !== ENOENT) check(result, "remove", name);
  },
  sameContent: (a: Fd, b: Fd): boolean => check(native.treeSameContent(a.number, b.number), "read", a.what) === 1,
  /** syncfs(2) on the filesystem of the directory. */
  sync(at: Fd): void {
    check(native.treeSync(at.number), "syncfs", at.what);
  },
  /** Makes the directory the process's root, and the umask 0. */
  confine(at: Fd): void {
    check(native.treeConfine(at.number), "chroot", at.what);
  },
};

/** All bytes added up. */
export const byteSum = (bytes: Uint8Array): number => native.byteSum(bytes);

/** A descriptor whose bytes are hashed (SHA-256) as they pass; the descriptor stays the caller's. */
export class HashedStream implements Disposable {
  readonly #handle: number;
  readonly #what: string;
  #open = true;

  constructor(fd: Fd) {
    this.#handle = check(native.streamOpen(fd.number), "read", fd.what);
    this.#what = fd.what;
  }

  /** Fills the bytes; fewer than their length only at the end. */
  read(into: Uint8Array): number {
    return check(native.streamRead(this.#handle, into), "read", this.#what);
  }

  /** The next bytes, at most 512, without taking them; empty only at the end. */
  peek(): Uint8Array {
    return check<Uint8Array>(native.streamPeek(this.#handle), "read", this.#what);
  }

  /** Moves `count` bytes on to a file, or to nowhere; fewer only where the stream ends. */
  copyTo(target: Fd | null, count: number): number {
    return check(native.streamCopy(this.#handle, target?.number ?? -1, count), "write", target?.what ?? this.#what);
  }

  write(bytes: Uint8Array): void {
    check(native.streamWrite(this.#handle, bytes), "write", this.#what);
  }

  /** Moves `count` bytes of a file into the stream; fewer only where the file ends. */
  copyFrom(source: Fd, count: number): number {
    return check(native.streamSend(this.#handle, source.number, count), "write", this.#what);
  }

  /** Hex digits of the SHA-256 of what has passed. */
  sum(): string {
    return native.streamSum(this.#handle);
  }

  get total(): number {
    return native.streamTotal(this.#handle);
  }

  [Symbol.dispose](): void {
    if (this.#open) native.streamClose(this.#handle);
    this.#open = false;
  }
}

/** Starts `program argument` between two descriptors, without privileges; to be ended with `endFilter`. */
export const startFilter = (program: string, argument: string, stdin: Fd, stdout: Fd, stderr: Fd): number =>
  check(native.filterStart(program, argument, stdin.number, stdout.number, stderr.number), "fork", program);

/** Waits for the filter; 0..255, or 128 + signal. */
export const endFilter = (pid: number): number => check(native.filterEnd(pid), "waitpid", String(pid));

/** From now on this process is killed when the one that started it ends. */
export function dieWithParent(): void {
  check(native.dieWithParent(), "prctl", "PR_SET_PDEATHSIG");
}
