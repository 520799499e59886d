import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BerthError, failedPrecondition } from "@berth/base";
import type { Core } from "../core.ts";
import { fileError } from "../full-disk.ts";
import { attachToLease, detachFromLease, enterNamespace, namespaceOf } from "../scope.ts";
import { syncDirectory } from "../sync-directory.ts";
import type { Trash } from "../trash.ts";
import type { ContentBatch, Scope } from "../types.ts";
import type { Blobs } from "./blobs.ts";
import type { Ingests } from "./ingests.ts";
import type { ContentLayout } from "./layout.ts";
import type { ContentRecords } from "./records.ts";

// One blob by itself is two transactions and two more fsyncs. Files that are synchronized at the same time share a commit of
// the file system's journal: measured between nothing gained (70 kB each) and a sixth of the time (5 kB each). Three, so that
// the thread pool (of four) has one left for everybody else.
const SYNCS = 3;
/** Blobs that become known together: a transaction holds the event loop. */
const MOST_BLOBS = 64;
const MOST_BYTES = 16 << 20;

interface Parts {
  readonly core: Core;
  readonly layout: ContentLayout;
  readonly blobs: Blobs;
  readonly records: ContentRecords;
  readonly ingests: Ingests;
  readonly trash: Trash;
}

interface Added {
  readonly digest: string;
  readonly size: number;
  /** Null for a blob that is there already. */
  readonly written: { readonly path: string; readonly file: FileHandle } | null;
  /** The collector leaves its file alone until it is known. */
  readonly held: ReturnType<Blobs["hold"]>;
}

interface Placed extends Added {
  readonly isMoved: boolean;
  /** What was wrong with the file that was there. */
  readonly damage: string | null;
}

/**
 * Opens a batch: one ingest, in whose directory the files of all its blobs are written. A process that is killed leaves
 * that ingest to the collector; files that had their names already, but no record yet, are noted for the next start.
 */
export async function openBatch(parts: Parts, scope: Scope, ref: string): Promise<ContentBatch> {
  const { core, layout, blobs, records, ingests, trash } = parts;
  const { db, tell, removals } = core;
  const namespace = namespaceOf(scope);
  const directory = layout.ingest(namespace, ref);
  const ingest = await ingests.open(scope, { ref, total: 0, expected: "" });
  const added = new Map<string, Added>();
  let bytes = 0;
  let files = 0;

  const live = (): void => {
    if (!ingests.isOpen(namespace, ref)) throw new BerthError("not-found", `reference ${ref}: not found`);
  };
  const failure = (error: unknown): unknown => fileError(error, directory, `receiving ${JSON.stringify(ref)}`);

  /** Holds a blob that is there, is whole, and may be had for its name. */
  async function present(digest: string): Promise<Added | null> {
    const size = blobs.sizeOf(digest);
    if (size === null || !ingests.isToBeHad(namespace, digest)) return null;
    const held = blobs.hold(digest);
    if ((await blobs.verify(digest)) === null && blobs.sizeOf(digest) === size)
      return { digest, size, written: null, held };
    held[Symbol.dispose]();
    return null;
  }

  /** Writes the file, to be synchronized with the others. */
  async function receive(
    path: string,
    body: AsyncIterable<Uint8Array>,
  ): Promise<{ digest: string; size: number; file: FileHandle }> {
    const file = await open(path, "wx", 0o600).catch((error: unknown) => {
      live();
      throw failure(error);
    });
    try {
      const hash = createHash("sha256");
      let size = 0;
      for await (const chunk of body) {
        for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
        hash.update(chunk);
        size += chunk.length;
      }
      return { digest: `sha256:${hash.digest("hex")}`, size, file };
    } catch (error) {
      await file.close();
      throw failure(error);
    }
  }

  async function write(expected: string, body: AsyncIterable<Uint8Array>, name: string): Promise<Added> {
    const path = join(directory, String(files++));
    const { digest, size, file } = await receive(path, body);
    const isWrong = expected !== "" && digest !== expected;
    if (isWrong || added.has(digest)) {
      await file.close();
      await rm(path, { force: true });
      if (isWrong)
        throw failedPrecondition(`${name} has the digest ${digest}, not ${expected}: the archive is damaged`);
    }
    return added.get(digest) ?? { digest, size, written: { path, file }, held: blobs.hold(digest) };
  }

  async function synchronize({ written }: Added): Promise<void> {
    if (written === null) return;
    try {
      await written.file.chmod(0o444);
      await written.file.sync();
    } catch (error) {
      throw failure(error);
    }
  }

  /** Another namespace's file serves as well; a damaged one is replaced. */
  async function placeOf(one: Added): Promise<Placed> {
    if (one.written === null) return { ...one, isMoved: false, damage: null };
    const isKnown = blobs.sizeOf(one.digest) !== null;
    const damage = isKnown ? await blobs.verify(one.digest) : null;
    return { ...one, damage, isMoved: damage !== null || blobs.sizeOf(one.digest) === null };
  }

  async function move(moved: readonly Placed[]): Promise<void> {
    try {
      for (const { digest, written } of moved) if (written !== null) await rename(written.path, layout.blob(digest));
      if (moved.length > 0) await syncDirectory(layout.blobs);
    } catch (error) {
      throw failure(error);
    }
  }

  function record({ digest, size, isMoved, damage }: Placed): void {
    if (damage !== null) blobs.repaired(digest, size);
    if (isMoved) {
      blobs.add(digest, size);
      removals.forget(layout.blob(digest));
    }
    const before = records.find(namespace, digest);
    if (before !== null && damage === null) {
      attachToLease(db, scope, "content", digest);
      return;
    }
    if (before === null) records.insert(scope, digest, size, {});
    else records.restore(scope, before, {});
    tell({ kind: "content-created", namespace, digest, size });
  }

  async function commit(): Promise<void> {
    if (added.size === 0) return;
    const all = [...added.values()];
    try {
      await eachOf(all, SYNCS, synchronize);
      const placed: Placed[] = [];
      for (const one of all) placed.push(await placeOf(one));
      const moved = placed.filter(({ isMoved }) => isMoved);
      live();
      if (moved.length > 0)
        db.transaction(() => {
          for (const { digest } of moved) removals.note(layout.blob(digest));
        });
      try {
        await move(moved);
        db.transaction(() => {
          live();
          enterNamespace(db, scope);
          for (const one of placed) record(one);
        });
      } catch (error) {
        withdraw(moved);
        throw error;
      }
    } finally {
      await forgetAdded();
    }
  }

  /** Without a record a file must not keep the name. */
  function withdraw(moved: readonly Placed[]): void {
    const ours = moved.filter(({ digest, held }) => held.alone() && blobs.sizeOf(digest) === null);
    if (ours.length === 0) return;
    db.transaction(() => {
      for (const { digest } of ours) removals.add(layout.blob(digest), trash);
    }, "frees");
  }

  async function forgetAdded(): Promise<void> {
    const all = [...added.values()];
    added.clear();
    bytes = 0;
    for (const { written, held } of all) {
      held[Symbol.dispose]();
      await written?.file.close();
    }
  }

  return {
    async add({ expected, name, body }) {
      live();
      const one =
        expected === ""
          ? await write("", body, name)
          : (added.get(expected) ?? (await present(expected)) ?? (await write(expected, body, name)));
      if (!added.has(one.digest) && one.written !== null) bytes += one.size;
      added.set(one.digest, one);
      if (added.size >= MOST_BLOBS || bytes >= MOST_BYTES) await commit();
      return { digest: one.digest, size: one.size };
    },
    commit,
    async [Symbol.asyncDispose]() {
      await forgetAdded();
      await ingest.close();
      db.transaction(() => {
        if (ingests.drop(namespace, ref)) detachFromLease(db, scope, "ingests", ref);
      }, "frees");
    },
  };
}

/** Calls `act` for each, so many at a time; waits for all that were begun, and throws the first failure. */
async function eachOf<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) await act(items[next++] as T);
  };
  const results = await Promise.allSettled(Array.from({ length: atOnce }, work));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
