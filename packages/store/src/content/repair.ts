import { readdirSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { hexOf, isAlreadyExists, parseDigest } from "@berth/base";
import type { Core } from "../core.ts";
import { listQuarantine } from "../quarantine.ts";
import type { ContentWriter, Scope } from "../types.ts";
import { readInto } from "./hash-file.ts";
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
    for (const path of candidates(core, layout, scope, { digest, ref })) {
      if (statSync(path, { throwIfNoEntry: false })?.size !== size) continue;
      await writer.truncate(0);
      if (!(await copyInto(writer, path, signal)) || writer.digest() !== digest) continue;
      await committed(writer, digest, size);
      return true;
    }
    return false;
  } finally {
    await writer.close();
    abandon(core, ingests, scope, ref);
  }
}

/** False where the file cannot be read to its end: an ingest may be committed meanwhile, a disk may have lost it. */
async function copyInto(writer: ContentWriter, path: string, signal: AbortSignal): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let at = 0; ; ) {
      const count = await readInto(file, buffer, at);
      if (count === null) return false;
      if (count === 0) return true;
      signal.throwIfAborted();
      await writer.write(buffer.subarray(0, count));
      at += count;
    }
  } finally {
    await file.close();
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

/**
 * Files that may have the bytes, without the ingest that they are written to. A namespace that does not share must have
 * had them, or bring them itself: else only its own ingests count.
 */
function candidates(
  core: Core,
  layout: ContentLayout,
  { namespace }: Scope,
  { digest, ref }: { digest: string; ref: string },
): string[] {
  const { root, db, sharingPolicy } = core;
  const had = db.get("SELECT 1 FROM content WHERE namespace = ? AND digest = ?", namespace, digest) !== null;
  const dataOf = (one: { namespace: string; ref: string }) => join(layout.ingest(one.namespace, one.ref), "data");
  const ingests = db.all<{ namespace: string; ref: string }>("SELECT namespace, ref FROM ingests WHERE ref <> ?", ref);
  if (sharingPolicy === "isolated" && !had) return ingests.filter((one) => one.namespace === namespace).map(dataOf);
  const putAside = listQuarantine(root).flatMap(({ path }) => [
    join(path, "blobs", hexOf(parseDigest(digest))),
    ...namesIn(join(path, "ingests")).map((name) => join(path, "ingests", name, "data")),
  ]);
  return [...putAside, ...ingests.map(dataOf)];
}

/** Somebody else may have been first. */
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
    if (isMissing(error)) return [];
    throw error;
  }
}
