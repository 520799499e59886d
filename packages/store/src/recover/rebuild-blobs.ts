import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { bootId } from "../boot.ts";
import { hashFile } from "../content/hash-file.ts";
import { openContentLayout } from "../content/layout.ts";
import type { Database } from "../database.ts";
import type { Tell } from "./recover-store.ts";

/** Enters each file that is named by its digest and has it. */
export async function rebuildBlobs(root: string, db: Database, tell: Tell): Promise<void> {
  const { blobs: directory } = openContentLayout(root);
  const known = new Set(db.all<{ digest: string }>("SELECT digest FROM blobs").map(({ digest }) => digest));
  const boot = bootId();
  let added = 0;
  const damaged: string[] = [];
  for (const name of readdirSync(directory)) {
    const digest = `sha256:${name}`;
    if (!/^[a-f0-9]{64}$/.test(name) || known.has(digest)) continue;
    const path = join(directory, name);
    // Never read: a device has no end, and a FIFO no begin.
    const found = lstatSync(path).isFile() ? await hashFile(path) : null;
    if (found?.digest !== digest) damaged.push(name);
    else {
      db.transaction(
        () => db.run("INSERT INTO blobs (digest, size, boot) VALUES (?, ?, ?)", digest, found.size, boot),
        "frees",
      );
      added++;
    }
  }
  tell(`${added} blobs rebuilt${known.size > 0 ? `, ${known.size} were known` : ""}`);
  if (damaged.length > 0)
    tell(`not rebuilt: ${damaged.length} blobs whose bytes are not those of their digest (${shown(damaged)})`);
}

/** A list in a sentence. */
export const shown = (names: readonly string[]): string =>
  `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`;
