/** Mount points at or below a directory, deepest last, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export function mountsBelow(mountinfo: string, directory: string): string[] {
  const found: string[] = [];
  for (const line of mountinfo.split("\n")) {
    const escaped = line.split(" ", 5)[4];
    if (escaped === undefined) continue;
    const path = escaped.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (path === directory || path.startsWith(`${directory}/`)) found.push(path);
  }
  return found;
}
