import { decodeName, invalidArgument } from "@berth/base";
import { type Fd, isCode } from "@berth/host";
import { S, tree } from "./tree.ts";

/** As many links as the kernel follows in one path (path_resolution(7)). */
const MAX_LINKS = 40;

/** Of a directory that a layer has members in but no member for. */
export const IMPLIED_MODE = 0o755;

/** (uid_t)-1: chown(2) leaves the owner as it is. */
const UNCHANGED = 0xffffffff;

/** A directory inside the root and a name in it: where a member goes. */
export interface Place {
  readonly directory: Fd;
  readonly name: string;
}

/**
 * The components of a member's name, as containerd cleans it: `a/./b`, `a/c/../b` and `/a/b` are `a/b`.
 * Throws invalid-argument where it leads above the root.
 */
export function cleanName(name: string, what: string): string[] {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined)
      throw invalidArgument(`${what} ${JSON.stringify(name)} leads out of the layer's root`);
  }
  return parts;
}

/** The root of an unpack. Paths are resolved in it by the kernel; the last directory is kept open. */
export class Root implements Disposable {
  readonly fd: Fd;
  /** Called with the real path of each directory that `place` has to make. */
  onMade: ((path: string) => void) | null = null;
  #path: string | null = null;
  #directory: Fd | null = null;
  #realPath: string | null = null;
  #top: string | null = null;

  constructor(fd: Fd) {
    this.fd = fd;
  }

  /** Where the directory of the last place is, links resolved: names joined by "/", "" for the root itself. */
  get realPath(): string {
    if (this.#directory === null) throw new Error("no directory is kept");
    this.#realPath ??= this.#pathOf(this.#directory);
    return this.#realPath;
  }

  /** Where the member is, with the directories above it made if need be. The place is valid until the next call. */
  place(parts: readonly string[]): Place {
    const name = parts[parts.length - 1] ?? "";
    return { directory: this.#ensure(parts.slice(0, -1), 0), name };
  }

  /** Where something that must be there already is; null where its directory is missing. */
  existing(
    parts: readonly string[],
  ): { readonly directory: Fd; readonly name: string; [Symbol.dispose](): void } | null {
    try {
      const directory = tree.resolve(this.fd, parts.slice(0, -1).join("/"));
      return { directory, name: parts[parts.length - 1] ?? "", [Symbol.dispose]: () => directory.close() };
    } catch (error) {
      if (isCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return null;
      throw error;
    }
  }

  /** To be called when anything was removed: the directory that is kept may not be where its path leads any more. */
  forget(): void {
    this.#directory?.close();
    this.#directory = null;
    this.#path = null;
    this.#realPath = null;
  }

  [Symbol.dispose](): void {
    this.forget();
    this.fd.close();
  }

  #keep(path: string, directory: Fd): Fd {
    this.forget();
    this.#path = path;
    this.#directory = directory;
    return directory;
  }

  #pathOf(directory: Fd): string {
    // In a chroot the root is "/"; without (a user's own unpack) it has a path of the machine's.
    this.#top ??= decodeName(tree.path(this.fd)).replace(/\/$/, "");
    return decodeName(tree.path(directory)).slice(this.#top.length + 1);
  }

  #ensure(parts: readonly string[], links: number): Fd {
    const path = parts.join("/");
    if (this.#directory !== null && this.#path === path) return this.#directory;
    // Nearly always all of it is there, or all but the last.
    let depth = parts.length;
    let directory = this.#resolve(path);
    while (directory === null) directory = this.#resolve(parts.slice(0, --depth).join("/"));
    for (; depth < parts.length; depth++) {
      const name = parts[depth] ?? "";
      using above: Fd = directory;
      const found = tree.stat(above, name);
      if (found !== null) {
        // A link whose target is missing (or hangs on one that is): the target is made, in the root.
        if ((found.mode & S.IFMT) !== S.IFLNK || links >= MAX_LINKS)
          throw invalidArgument(
            `${JSON.stringify(path)} cannot be a directory, and a member of the layer lies below it`,
          );
        const target = this.#follow(parts.slice(0, depth), decodeName(tree.readlink(above, name)));
        return this.#ensure([...target, ...parts.slice(depth + 1)], links + 1);
      }
      tree.mkdir(above, name, IMPLIED_MODE);
      // A setgid directory gives new ones its group and its bit; containerd keeps the one and takes the other away.
      tree.setAttributes(above, name, UNCHANGED, UNCHANGED, IMPLIED_MODE);
      directory = tree.openDirectory(above, name);
      this.onMade?.(this.#pathOf(directory));
    }
    return this.#keep(path, directory);
  }

  /** null where something on the way is missing. */
  #resolve(path: string): Fd | null {
    try {
      return tree.resolve(this.fd, path);
    } catch (error) {
      if (isCode(error, "ENOENT")) return null;
      if (isCode(error, "ENOTDIR"))
        throw invalidArgument(`${JSON.stringify(path)} is not a directory, and a member of the layer lies below it`);
      if (isCode(error, "ELOOP"))
        throw invalidArgument(`${JSON.stringify(path)} leads through too many symbolic links`);
      if (isCode(error, "ENAMETOOLONG"))
        throw invalidArgument(`the name ${JSON.stringify(path.slice(0, 300))} is too long`);
      throw error;
    }
  }

  /** Where a link in `above` leads; `..` stops at the root, as it does for the kernel. */
  #follow(above: readonly string[], target: string): string[] {
    const parts = target.startsWith("/") ? [] : [...above];
    for (const part of target.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    }
    return parts;
  }
}
