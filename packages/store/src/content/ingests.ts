import { readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  BerthError,
  checkLabels,
  failedPrecondition,
  formatInstant,
  type Instant,
  unavailable,
  withoutEmpty,
} from "@berth/base";
import type { Core } from "../core.ts";
import { attachToLease, checkLease, detachFromLease, enterNamespace, namespaceOf } from "../scope.ts";
import type { Trash } from "../trash.ts";
import type { ContentInfo, ContentWriter, IngestStatus, NewIngest, Scope } from "../types.ts";
import type { Blobs } from "./blobs.ts";
import { type IngestFile, openIngestFile } from "./ingest-file.ts";
import type { ContentLayout } from "./layout.ts";
import type { ContentRecords } from "./records.ts";

/** An ingest without a lease, or whose lease has gone, is deleted after this long. */
const STALE_NS = 24n * 60n * 60n * 1_000_000_000n;

/**
 * How long a writer waits for the one before it, in ms: Go's clients end a stream and open the next one without a wait
 * for its end. containerd tries ten times, with pauses that come to 1,013 ms at most.
 */
const PATIENCE_MS = 1000;

interface Row {
  ref: string;
  expected: string;
  total: number;
  started_at: number | bigint;
}

interface OpenWriter {
  readonly since: Instant;
  updatedAt: Instant;
  /** Null while it is opened, and once it is closed. */
  file: IngestFile | null;
  aborted: boolean;
  /** Resolves when its ref is free. */
  readonly gone: PromiseWithResolvers<void>;
}

/** Blobs on their way in. */
export interface Ingests {
  open(scope: Scope, options: NewIngest): Promise<ContentWriter>;
  list(namespace: string): IngestStatus[];
  find(namespace: string, ref: string): IngestStatus | null;
  isOpen(namespace: string, ref: string): boolean;
  /** Whether a blob may be had for its name: it is the namespace's own, or shared by another. */
  isToBeHad(namespace: string, digest: string): boolean;
  /** Inside a transaction: forgets the ingest; its file goes once that is durable. False where it is not there. */
  drop(namespace: string, ref: string): boolean;
}

export function openIngests(
  core: Core,
  { layout, blobs, records, trash }: { layout: ContentLayout; blobs: Blobs; records: ContentRecords; trash: Trash },
): Ingests {
  const { db, clock, tell, removals, quarantine } = core;
  putAsideUnknown();
  /** Open writers by namespace and ref. */
  const writers = new Map<string, OpenWriter>();
  const keyOf = (namespace: string, ref: string): string => `${namespace}/${ref}`;

  const statusOf = (namespace: string, row: Row): IngestStatus => {
    const startedAt = BigInt(row.started_at);
    const { ref, total, expected } = row;
    const open = writers.get(keyOf(namespace, ref));
    if (open?.file) return { ref, offset: open.file.offset, total, expected, startedAt, updatedAt: open.updatedAt };
    const data = join(layout.ingest(namespace, ref), "data");
    const stat = statSync(data, { bigint: true, throwIfNoEntry: false });
    const updatedAt = stat !== undefined && stat.mtimeNs > startedAt ? stat.mtimeNs : startedAt;
    return { ref, offset: Number(stat?.size ?? 0n), total, expected, startedAt, updatedAt };
  };
  const find = (namespace: string, ref: string): IngestStatus | null => {
    const row = db.get<Row>("SELECT * FROM ingests WHERE namespace = ? AND ref = ?", namespace, ref);
    return row && statusOf(namespace, row);
  };
  const forget = (namespace: string, ref: string): boolean =>
    db.run("DELETE FROM ingests WHERE namespace = ? AND ref = ?", namespace, ref) > 0;

  const present = (namespace: string, digest: string): boolean => records.find(namespace, digest) !== null;
  /** Whether a blob of another namespace may be had for its name. */
  const isShared = (digest: string): boolean => {
    if (core.sharingPolicy === "shared") return true;
    const shareable = `SELECT 1 FROM content JOIN namespaces ON namespaces.name = content.namespace
      WHERE content.digest = ? AND json_extract(namespaces.labels, '$."containerd.io/namespace.shareable"') = 'true'`;
    return db.get(shareable, digest) !== null;
  };
  const isThere = (digest: string): Error => new BerthError("already-exists", `content ${digest}: already exists`);

  /** True where the expected blob is there by now, so that nothing need be sent. */
  const begin = (scope: Scope, options: NewIngest): boolean =>
    db.transaction(() => {
      const { ref, total, expected, outlastsLease = false } = options;
      const namespace = enterNamespace(db, scope);
      if (expected !== "") {
        const size = blobs.sizeOf(expected);
        // Of one that is damaged the bytes are wanted, for all that have it.
        const isUsable = size !== null && blobs.seen(expected) === null;
        if (isUsable && present(namespace, expected)) {
          attachToLease(db, scope, "content", expected);
          return true;
        }
        if (isUsable && (total <= 0 || total === size) && isShared(expected)) {
          records.insert(scope, expected, size, {});
          return true;
        }
      }
      const now = clock.now();
      db.run(
        `INSERT INTO ingests (namespace, ref, expected, total, started_at, expire_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET expected = excluded.expected, total = excluded.total, expire_at = excluded.expire_at`,
        namespace,
        ref,
        expected,
        Math.max(0, total),
        now,
        scope.lease === "" || outlastsLease ? now + STALE_NS : null,
      );
      attachToLease(db, scope, "ingests", ref);
      return false;
    });

  const release = (key: string, writer: OpenWriter): void => {
    if (writers.get(key) === writer) writers.delete(key);
    writer.gone.resolve();
  };

  async function untilFree(key: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let other = writers.get(key); other !== undefined; other = writers.get(key)) {
      const { promise: late, resolve } = Promise.withResolvers<"late">();
      const timer = setTimeout(resolve, Math.max(0, deadline - performance.now()), "late");
      const outcome = await Promise.race([other.gone.promise, late]);
      clearTimeout(timer);
      if (outcome === "late")
        throw unavailable(`ref ${key} locked since ${formatInstant(other.since)} by another writer: try again later`);
    }
  }

  async function open(scope: Scope, options: NewIngest): Promise<ContentWriter> {
    const namespace = namespaceOf(scope);
    const { ref } = options;
    const key = keyOf(namespace, ref);
    await untilFree(key);
    const now = clock.now();
    const gone = Promise.withResolvers<void>();
    const writer: OpenWriter = { since: now, updatedAt: now, file: null, aborted: false, gone };
    writers.set(key, writer);
    let status: IngestStatus;
    try {
      if (blobs.sizeOf(options.expected) !== null) await blobs.check(options.expected);
      if (begin(scope, options)) throw isThere(options.expected);
      status = find(namespace, ref) as IngestStatus;
      writer.file = await openIngestFile(layout.ingest(namespace, ref), status);
    } catch (error) {
      release(key, writer);
      throw error;
    }
    const file = writer.file;
    writer.updatedAt = status.updatedAt;
    // Aborted while the file was opened: what was opened is the leftover of a name that is free again.
    const live = (): IngestFile => {
      if (writer.aborted || writer.file === null) throw new BerthError("not-found", `reference ${ref}: not found`);
      return file;
    };
    let committed = false;
    const close = async (): Promise<void> => {
      if (writer.file === null) return;
      if (!committed) await file.stamp(writer.updatedAt);
      writer.file = null;
      release(key, writer);
      await file[Symbol.asyncDispose]();
    };

    async function commit({ size, expected, labels }: Parameters<ContentWriter["commit"]>[0]): Promise<ContentInfo> {
      live();
      checkLabels(labels);
      checkLease(db, scope);
      const digest = file.digest();
      if (size > 0 && size !== file.offset)
        throw failedPrecondition(`"${ref}" failed size validation: ${file.offset} != ${size}`);
      if (expected !== "" && expected !== digest)
        throw failedPrecondition(`unexpected commit digest ${digest}, expected ${expected}`);
      using held = blobs.hold(digest);
      // Another namespace's file serves as well, and ours is dropped with its ingest; a damaged one is replaced.
      const damage = blobs.sizeOf(digest) === null ? null : await blobs.verify(digest);
      live();
      const moved = damage !== null || (blobs.sizeOf(digest) === null && !present(namespace, digest));
      let info: ContentInfo | null;
      try {
        if (moved) await file.moveTo(layout.blob(digest));
        info = db.transaction(() => {
          live();
          drop(namespace, ref);
          detachFromLease(db, scope, "ingests", ref);
          if (damage !== null) blobs.repaired(digest, file.offset);
          const before = records.find(namespace, digest);
          if (before !== null && damage === null) {
            attachToLease(db, scope, "content", digest);
            return null;
          }
          tell({ kind: "content-created", namespace, digest, size: file.offset });
          if (before !== null) return records.restore(scope, before, withoutEmpty(labels));
          enterNamespace(db, scope);
          blobs.add(digest, file.offset);
          return records.insert(scope, digest, file.offset, withoutEmpty(labels));
        });
      } catch (error) {
        // Without a record the file must not keep the name, and the ingest wants its bytes back.
        if (moved && held.alone() && blobs.sizeOf(digest) === null) moveBack(digest, namespace, ref);
        throw error;
      }
      committed = true;
      await close();
      if (info === null) throw isThere(digest);
      return info;
    }

    return {
      status: () => ({ ...status, offset: file.offset, updatedAt: writer.updatedAt }),
      async write(chunk) {
        await live().append(chunk);
        writer.updatedAt = clock.now();
      },
      truncate: (size) => live().truncate(size),
      digest: () => file.digest(),
      commit,
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  function moveBack(digest: string, namespace: string, ref: string): void {
    try {
      renameSync(layout.blob(digest), join(layout.ingest(namespace, ref), "data"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // Aborted meanwhile, or never moved.
      trash.take(layout.blob(digest));
    }
  }

  /** Directories without a record; those that a crash left behind are noted. */
  function putAsideUnknown(): void {
    const known = new Set(
      db
        .all<Row & { namespace: string }>("SELECT namespace, ref FROM ingests")
        .map(({ namespace, ref }) => layout.ingest(namespace, ref)),
    );
    for (const name of readdirSync(layout.ingests)) {
      const path = join(layout.ingests, name);
      if (known.has(path)) continue;
      if (removals.has(path)) trash.take(path);
      else quarantine.take("ingests", path, name);
    }
  }

  function drop(namespace: string, ref: string): boolean {
    if (!forget(namespace, ref)) return false;
    const key = keyOf(namespace, ref);
    const writer = writers.get(key);
    db.afterCommit(() => {
      if (writer === undefined) return;
      writer.aborted = true;
      release(key, writer);
    });
    removals.add(layout.ingest(namespace, ref), trash);
    return true;
  }

  return {
    open,
    find,
    drop,
    isToBeHad: (namespace, digest) => present(namespace, digest) || isShared(digest),
    isOpen: (namespace, ref) => writers.has(keyOf(namespace, ref)),
    list: (namespace) =>
      db
        .all<Row>("SELECT * FROM ingests WHERE namespace = ? ORDER BY ref", namespace)
        .map((row) => statusOf(namespace, row)),
  };
}
