import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Core } from "../core.ts";
import type { Trash } from "../trash.ts";
import type { VerifyOptions } from "../types.ts";
import { type HashedFile, hashFile } from "./hash-file.ts";
import type { ContentLayout } from "./layout.ts";

/** The files of blobs, shared by all namespaces, and the table of them. */
export interface Blobs {
  /** Null where no file of this digest is there. */
  sizeOf(digest: string): number | null;
  path(digest: string): string;
  add(digest: string, size: number): void;
  /** While held, the file is not deleted, recorded or not. */
  hold(digest: string): Disposable & { alone(): boolean };
  /** At most `limit` of those behind `after`, in their order. What is held counts as referenced. */
  list(after: string, limit: number): { digest: string; isReferenced: boolean }[];
  /** Inside a transaction: forgets a blob that no namespace has; its file goes once that is durable. */
  drop(digest: string): void;
  /**
   * Why the blob must not be used, as far as it can be told without reading: it was marked, or its file has not its size
   * and it is marked now. null if nothing is known against it.
   */
  seen(digest: string): string | null;
  /** The same; reads the whole file if the machine went down while it was new. */
  check(digest: string): Promise<string | null>;
  /** Reads the whole file, marks a blob that is damaged, and takes the mark off one that is whole. */
  verify(digest: string, options?: VerifyOptions): Promise<string | null>;
  /** Inside a transaction: the file was written again, and is whole. */
  repaired(digest: string, size: number): void;
}

const MISSING = "its file is missing";

const isStill = (path: string, file: HashedFile | null): boolean =>
  (statSync(path, { throwIfNoEntry: false })?.ino ?? null) === (file?.inode ?? null);

function wrongBytes(found: HashedFile | null, digest: string): string | null {
  if (found === null) return MISSING;
  if (found.digest === null) return "the disk cannot read it";
  return found.digest === digest ? null : "its bytes have changed";
}

export function openBlobs(core: Core, layout: ContentLayout, trash: Trash): Blobs {
  const { db, log, boot, session, removals, quarantine } = core;
  const held = new Map<string, number>();
  putAsideUnknown();

  interface Row {
    size: number;
    suspect: number;
    damage: string | null;
  }
  const rowOf = (digest: string): Row | null =>
    db.get<Row>("SELECT size, suspect, damage FROM blobs WHERE digest = ?", digest);

  /** Records and labels stay, so that the bytes alone have to come again; the file stays until they do. */
  function mark(digest: string, why: string): string {
    db.transaction(() => db.run("UPDATE blobs SET damage = ? WHERE digest = ?", why, digest), "frees");
    log.error("a blob is damaged, and nobody is given it until its bytes come again", { digest, err: why });
    return why;
  }

  function clear(digest: string): void {
    db.transaction(() => db.run("UPDATE blobs SET suspect = 0, damage = NULL WHERE digest = ?", digest), "frees");
  }

  const wrongSize = (digest: string, wanted: number): string | null => {
    const size = statSync(layout.blob(digest), { throwIfNoEntry: false })?.size;
    if (size === undefined) return MISSING;
    return size === wanted ? null : `it has ${size} bytes instead of ${wanted}`;
  };

  function seen(digest: string): string | null {
    const row = rowOf(digest);
    if (row === null) return "it has no file";
    if (row.damage !== null) return row.damage;
    const wrong = wrongSize(digest, row.size);
    return wrong === null ? null : mark(digest, wrong);
  }

  async function check(digest: string): Promise<string | null> {
    const known = seen(digest);
    return known !== null || rowOf(digest)?.suspect !== 1 ? known : await verify(digest);
  }

  async function verify(digest: string, options: VerifyOptions = {}): Promise<string | null> {
    for (;;) {
      let row = rowOf(digest);
      if (row === null) return "it has no file";
      let wrong = wrongSize(digest, row.size);
      if (wrong === null) {
        const found = await hashFile(layout.blob(digest), options);
        row = rowOf(digest);
        if (row === null) continue;
        // Bytes that came meanwhile have taken the place of those that were read.
        if (!isStill(layout.blob(digest), found)) continue;
        wrong = wrongBytes(found, digest);
      }
      if (wrong !== null) return wrong === row.damage ? wrong : mark(digest, wrong);
      if (row.suspect === 1 || row.damage !== null) clear(digest);
      return null;
    }
  }

  function putAsideUnknown(): void {
    const known = new Set(db.all<{ digest: string }>("SELECT digest FROM blobs").map(({ digest }) => digest));
    for (const name of readdirSync(layout.blobs)) {
      if (known.has(`sha256:${name}`)) continue;
      const path = join(layout.blobs, name);
      if (removals.has(path)) trash.take(path);
      else quarantine.take("blobs", path, name);
    }
  }

  return {
    sizeOf: (digest) => db.get<{ size: number }>("SELECT size FROM blobs WHERE digest = ?", digest)?.size ?? null,
    path: (digest) => layout.blob(digest),
    add(digest, size) {
      session.begin();
      db.run("INSERT OR IGNORE INTO blobs (digest, size, boot) VALUES (?, ?, ?)", digest, size, boot);
    },
    hold(digest) {
      held.set(digest, (held.get(digest) ?? 0) + 1);
      return {
        alone: () => held.get(digest) === 1,
        [Symbol.dispose]() {
          const count = (held.get(digest) ?? 1) - 1;
          if (count === 0) held.delete(digest);
          else held.set(digest, count);
        },
      };
    },
    list: (after, limit) =>
      db
        .all<{ digest: string; used: number }>(
          `SELECT digest, EXISTS (SELECT 1 FROM content WHERE content.digest = blobs.digest) AS used
           FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?`,
          after,
          limit,
        )
        .map(({ digest, used }) => ({ digest, isReferenced: used === 1 || held.has(digest) })),
    drop(digest) {
      db.run("DELETE FROM blobs WHERE digest = ?", digest);
      removals.add(layout.blob(digest), trash);
    },
    seen,
    check,
    verify,
    repaired(digest, size) {
      session.begin();
      db.run("UPDATE blobs SET size = ?, suspect = 0, damage = NULL, boot = ? WHERE digest = ?", size, boot, digest);
    },
  };
}
