import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

/** How many files are looked at before others get their turn. */
const SLICE = 500;

/** Bytes allocated below a directory and inodes used, as du counts: hard links once, and the directory itself too. */
export async function diskUsage(root: string): Promise<{ size: number; inodes: number }> {
  const linked = new Set<string>();
  const waiting = [root];
  let size = 0;
  let inodes = 0;
  let slice = 0;
  const count = (path: string): Stats | null => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return null;
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const identity = `${stat.dev}:${stat.ino}`;
      if (linked.has(identity)) return stat;
      linked.add(identity);
    }
    size += stat.blocks * 512;
    inodes++;
    return stat;
  };
  count(root);
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    for (const entry of namesIn(directory)) {
      const path = join(directory, entry);
      if (count(path)?.isDirectory()) waiting.push(path);
      if (++slice % SLICE === 0) await setImmediate();
    }
  }
  return { size, inodes };
}

// What a container deletes while we look is simply not counted.
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
