// Paths as text. POSIX only; nothing here looks at a disk.

/** The shortest equivalent path, as Go's path.Clean: `/a//b/../c/.` is `/a/c`. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith("/");
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== "..") kept.pop();
    else if (!rooted) kept.push("..");
  }
  const joined = kept.join("/");
  if (rooted) return `/${joined}`;
  return joined === "" ? "." : joined;
}

/** Joins and cleans; empty parts do not count. */
export const joinPath = (...parts: string[]): string => cleanPath(parts.filter((part) => part !== "").join("/"));

/** What is before the last slash: `/` for `/a`, `.` where there is none. */
export function dirname(path: string): string {
  const slash = path.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : path.slice(0, slash);
}

/** What is behind the last slash. */
export const basename = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
