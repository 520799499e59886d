import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { openContentLayout } from "../content/layout.ts";
import type { Database } from "../database.ts";
import { batchesIn, QUARANTINE } from "../quarantine.ts";
import type { Tell } from "./recover-store.ts";

/** Moves blobs and snapshots that starts have put aside back to where they were, unless their place is taken. */
export function takeBack(root: string, db: Database, tell: Tell): void {
  const top = join(root, QUARANTINE);
  let count = 0;
  const move = (from: string, to: string): void => {
    if (existsSync(to)) return;
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    renameSync(from, to);
    count++;
  };
  // A number that a snapshot has had since is not given back to an older one.
  const isUsed = (number: string): boolean => db.get("SELECT 1 FROM snapshots WHERE id = ?", Number(number)) !== null;
  for (const { name } of batchesIn(top).reverse()) {
    const batch = join(top, name);
    for (const blob of listed(join(batch, "blobs")))
      if (/^[a-f0-9]{64}$/.test(blob)) move(join(batch, "blobs", blob), join(openContentLayout(root).blobs, blob));
    for (const snapshotter of listed(join(batch, "snapshots")))
      for (const number of listed(join(batch, "snapshots", snapshotter)))
        if (/^\d{1,15}$/.test(number) && !isUsed(number))
          move(
            join(batch, "snapshots", snapshotter, number),
            join(root, `io.containerd.snapshotter.v1.${snapshotter}`, "snapshots", number),
          );
  }
  if (count > 0) tell(`${count} blobs and snapshots taken back that earlier starts had put aside`);
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    // Somebody's file there is not ours to take.
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}
