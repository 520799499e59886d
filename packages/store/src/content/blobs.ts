import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { dataLoss } from "@berth/base";
import type { Core } from "../core.ts";
import type { Trash } from "../trash.ts";
import { hashFile } from "./hash-file.ts";
import type { ContentLayout } from "./layout.ts";

/** The files of blobs, shared by all namespaces, and the table of them. */
export interface Blobs {
  /** Null where no file of this digest is there. */
  sizeOf(digest: string): number | null;
  path(digest: string): string;
  add(digest: string, size: number): void;
  /** While held, the file is not deleted, recorded or not. */
  hold(digest: string): Disposable & { alone(): boolean };
  /** Inside a transaction: forgets blobs that no namespace has; their files go once it is durable. */
  dropUnreferenced(): void;
  /**
   * What is wrong with a blob's file, null if nothing is: its size, and its digest if an unclean boot may have torn it or
   * `thoroughly`. Reads in the thread pool and hashes in pieces.
   */
  damage(digest: string, thoroughly: boolean): Promise<string | null>;
  /** The same as far as it can be seen without reading. */
  visibleDamage(digest: string): string | null;
  /** Inside a transaction: the file was written again, and is whole. */
  repaired(digest: string, size: number): void;
  /** The file is not there or not whole: no namespace has the blob any more, so that it can be fetched again. */
  lost(digest: string, why: string): Error;
}

export function openBlobs(core: Core, layout: ContentLayout, trash: Trash): Blobs {
  const { db, log, boot, session, changed, removals, quarantine } = core;
  const held = new Map<string, number>();
  putAsideUnknown();

  function lost(digest: string, why: string): Error {
    db.transaction(() => {
      db.run("DELETE FROM content WHERE digest = ?", digest);
      db.run("DELETE FROM blobs WHERE digest = ?", digest);
      if (!held.has(digest)) removals.add(layout.blob(digest), trash);
      changed("deletion");
    }, "frees");
    log.error("a blob is damaged and was removed", { digest });
    return dataLoss(`content ${digest} is damaged (${why}) and was removed: fetch it again`);
  }

  function visibleDamage(digest: string): string | null {
    const wanted = db.get<{ size: number }>("SELECT size FROM blobs WHERE digest = ?", digest)?.size;
    if (wanted === undefined) return "it has no file";
    const size = statSync(layout.blob(digest), { throwIfNoEntry: false })?.size;
    if (size === undefined) return "its file is missing";
    return size === wanted ? null : `it has ${size} bytes instead of ${wanted}`;
  }

  async function damage(digest: string, thoroughly: boolean): Promise<string | null> {
    const seen = visibleDamage(digest);
    const isSuspect = db.get("SELECT 1 FROM blobs WHERE digest = ? AND suspect = 1", digest) !== null;
    if (seen !== null || (!thoroughly && !isSuspect)) return seen;
    const found = await hashFile(layout.blob(digest));
    if (found === null) return "its file is missing";
    if (found.digest !== digest) return "its bytes have changed";
    if (isSuspect) db.transaction(() => db.run("UPDATE blobs SET suspect = 0 WHERE digest = ?", digest), "frees");
    return null;
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
    dropUnreferenced() {
      const orphans = db.all<{ digest: string }>(
        "SELECT digest FROM blobs WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.digest = blobs.digest)",
      );
      for (const { digest } of orphans) {
        if (held.has(digest)) continue;
        db.run("DELETE FROM blobs WHERE digest = ?", digest);
        removals.add(layout.blob(digest), trash);
      }
    },
    damage,
    visibleDamage,
    repaired(digest, size) {
      session.begin();
      db.run("UPDATE blobs SET size = ?, suspect = 0, boot = ? WHERE digest = ?", size, boot, digest);
    },
    lost,
  };
}
