// `berthd quarantine`: what starts have put aside since nothing explained it, below the root and the state directory.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@berth/base";
import { deleteBatch, listQuarantine } from "@berth/store";

/** One line for each start that has put something aside: when, where, how much of what. */
export const quarantineList = (directories: readonly string[]): string =>
  listQuarantine(...directories)
    .map(lineOf)
    .join("");

/** Deletes all of it, and says so line by line. Throws at the end where something could not be deleted. */
export async function quarantineRemove(directories: readonly string[], tell: (line: string) => void): Promise<void> {
  const failures: string[] = [];
  for (const batch of listQuarantine(...directories)) {
    const line = lineOf(batch);
    try {
      await deleteBatch(batch.path);
      tell(line);
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  if (failures.length > 0) throw new Error(failures.join("; "));
}

const lineOf = ({ path, since }: { path: string; since: Date }): string =>
  `${since.toISOString()}  ${path}  ${contentsOf(path)}\n`;

function contentsOf(batch: string): string {
  const counts = namesIn(batch).flatMap((area): [string, number][] => {
    const names = namesIn(join(batch, area));
    // Names of snapshotters and namespaces come first in these.
    if (!["snapshots", "bundles", "tasks"].includes(area)) return [[area, names.length]];
    return names.map((name) => [`${name} ${area}`, namesIn(join(batch, area, name)).length]);
  });
  return counts.map(([what, count]) => `${count} ${printable(what)}`).join(", ");
}

/** None where it is no directory, or a collection has deleted it just now. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

/** Somebody may have put a name there that ends the line, or moves the cursor of who reads it. */
const printable = (name: string): string =>
  name.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
