import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { dataLoss, kindOf } from "@berth/base";
import type { Core } from "../core.ts";
import type { Trash } from "../trash.ts";
import type { ContentLayout } from "./layout.ts";

/** The files of blobs, shared by all namespaces, and the table of them. */
export interface Blobs {
  /** Null where no file of this digest is there. */
  sizeOf(digest: string): number | null;
  add(digest: string, size: number): void;
  /** While held, the file is not deleted, recorded or not. */
  hold(digest: string): Disposable & { alone(): boolean };
  /** Inside a transaction: forgets blobs that no namespace has; their files go once it is durable. */
  dropUnreferenced(): void;
  /** Path of the file; one that an unclean boot may have torn is verified first. Throws data-loss. */
  verified(digest: string): string;
  /** Verifies a blob that an unclean boot may have torn; a torn one is removed, so that it is absent then. */
  heal(digest: string): void;
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

  function verified(digest: string): string {
    const path = layout.blob(digest);
    const row = db.get<{ size: number; suspect: number }>("SELECT size, suspect FROM blobs WHERE digest = ?", digest);
    if (!row) throw lost(digest, "it has no file");
    if (row.suspect === 1) {
      const found = contentsOf(path);
      if (found === null) throw lost(digest, "its file is missing");
      if (found.size !== row.size) throw lost(digest, `it has ${found.size} bytes instead of ${row.size}`);
      if (found.digest !== digest) throw lost(digest, "its bytes have changed");
      db.transaction(() => db.run("UPDATE blobs SET suspect = 0 WHERE digest = ?", digest), "frees");
    }
    return path;
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
    verified,
    heal(digest) {
      if (!db.get("SELECT 1 FROM blobs WHERE digest = ? AND suspect = 1", digest)) return;
      try {
        verified(digest);
      } catch (error) {
        if (kindOf(error) !== "data-loss") throw error;
      }
    },
    lost,
  };
}

// Synchronous, since `path` is; it happens once a blob, and only after the machine went down uncleanly.
function contentsOf(path: string): { size: number; digest: string } | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(1 << 20);
    let size = 0;
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, read));
      size += read;
    }
    return { size, digest: `sha256:${hash.digest("hex")}` };
  } finally {
    closeSync(fd);
  }
}
