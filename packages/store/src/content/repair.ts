import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { hexOf, isAlreadyExists, parseDigest } from "@berth/base";
import type { Core } from "../core.ts";
import { listQuarantine } from "../quarantine.ts";
import type { ContentWriter, Scope } from "../types.ts";
import { hashFile } from "./hash-file.ts";
import type { Ingests } from "./ingests.ts";
import type { ContentLayout } from "./layout.ts";

const CHUNK = 256 << 10;

/**
 * Writes a blob again that is damaged or missing in a namespace, from a copy on this disk: what a start has put aside, an
 * ingest that was never committed, another namespace's where those are shared. False if there is none.
 */
export async function repairBlob(
  { core, layout, ingests }: { core: Core; layout: ContentLayout; ingests: Ingests },
  scope: Scope,
  { digest, size, signal }: { digest: string; size: number; signal: AbortSignal },
): Promise<boolean> {
  const ref = `repair-${process.hrtime.bigint()}-${digest}`;
  let writer: ContentWriter;
  try {
    writer = await ingests.open(scope, { ref, total: size, expected: digest });
  } catch (error) {
    if (isAlreadyExists(error)) return true;
    throw error;
  }
  try {
    for (const path of candidates(core, layout, digest)) {
      if (statSync(path, { throwIfNoEntry: false })?.size !== size) continue;
      const found = await hashFile(path, { signal });
      if (found?.digest !== digest) continue;
      await writer.truncate(0);
      for await (const chunk of createReadStream(path, { highWaterMark: CHUNK, signal })) await writer.write(chunk);
      await committed(writer, digest, size);
      return true;
    }
    return false;
  } finally {
    await writer.close();
    abandon(core, ingests, scope, ref);
  }
}

/** Files that may have the bytes. */
function candidates({ root, db }: Core, layout: ContentLayout, digest: string): string[] {
  const putAside = listQuarantine(root).flatMap(({ path }) => [
    join(path, "blobs", hexOf(parseDigest(digest))),
    ...namesIn(join(path, "ingests")).map((name) => join(path, "ingests", name, "data")),
  ]);
  const ingested = db
    .all<{ namespace: string; ref: string }>("SELECT namespace, ref FROM ingests")
    .map(({ namespace, ref }) => join(layout.ingest(namespace, ref), "data"));
  return [...putAside, ...ingested];
}

/** The file may have changed since it was hashed: then the commit refuses it. Somebody else may have been first. */
async function committed(writer: ContentWriter, digest: string, size: number): Promise<void> {
  try {
    await writer.commit({ size, expected: digest, labels: {} });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

function abandon({ db }: Core, ingests: Ingests, { namespace }: Scope, ref: string): void {
  db.transaction(() => ingests.drop(namespace, ref), "frees");
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
