// `berthd quarantine`: what starts have put aside since nothing explained it.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { listQuarantine } from "@berth/store";

/** One line for each start that has put something aside: when, where, how much of what. */
export function quarantineList(root: string): string {
  return listQuarantine(root)
    .map(({ path, since }) => `${since.toISOString()}  ${path}  ${contentsOf(path)}\n`)
    .join("");
}

/** Deletes all of it; returns the lines of what is gone. */
export function quarantineRemove(root: string): string {
  const lines = quarantineList(root);
  for (const { path } of listQuarantine(root)) rmSync(path, { recursive: true, force: true });
  return lines;
}

function contentsOf(batch: string): string {
  const counts = readdirSync(batch).flatMap((area) =>
    area === "snapshots"
      ? readdirSync(join(batch, area)).map((name) => [`${name} snapshots`, readdirSync(join(batch, area, name)).length])
      : [[area, readdirSync(join(batch, area)).length]],
  );
  return counts.map(([what, count]) => `${count} ${what}`).join(", ");
}
