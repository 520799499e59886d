// Rebuilds what a root's database knew from what lies on the disk. Nothing is deleted: a database that cannot be used
// is put aside, and so is, by the next start, what stays without an explanation.
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Clock, failedPrecondition, type Log, messageOf } from "@berth/base";
import { copiedTables } from "../copies.ts";
import { type Database, inspectDatabase, openDatabase } from "../database.ts";
import { nameOfBatch, QUARANTINE } from "../quarantine.ts";
import { enterId, type Places } from "../root/claim.ts";
import { commitsFile, sessionFile } from "../root/continuity.ts";
import { databaseOf, namesIn, recoveryFile, refusal } from "../root/inspect-root.ts";
import { MARKER, readMarker, syncNames, writeDurably, writeMarker } from "../root/marker.ts";
import { isBerths, isOwn, ownerOf } from "../root/owner.ts";
import { rebuildBlobs } from "./rebuild-blobs.ts";
import { dropWithoutFiles, rebuildRows } from "./rebuild-rows.ts";
import { takeBack } from "./take-back.ts";

/** One sentence for a person: what was rebuilt, and what was not. */
export type Tell = (sentence: string) => void;

/** Milliseconds that a lease keeps what was rebuilt from the collector, so that somebody can look at it first. */
const KEPT = 7 * 24 * 3_600_000;

/**
 * Throws where the root is somebody else's, or in use. When it resolves the root can be opened, by who says that it is
 * `recovering` until `endRecovery`.
 */
export async function recoverStore(
  places: Places,
  { clock, log, tell }: { clock: Clock; log: Log; tell: Tell },
): Promise<void> {
  const { root, state, others } = places;
  const rootId = idOfRoot(root, [...others, ...(state === null ? [] : [state])]);
  const stateMarker = state === null ? "missing" : readMarker(state, "state");
  const stateId = typeof stateMarker === "object" ? stateMarker.id : null;
  if (rootId !== null && stateId !== null && rootId !== stateId)
    throw failedPrecondition(
      `state directory ${state} belongs to another berth than root directory ${root}: name the two that belong together`,
    );
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const aside = join(root, QUARANTINE, nameOfBatch(clock));
  const found = keepDatabase(root, rootId, aside, tell);
  const id = rootId ?? (found === "" ? null : found) ?? stateId ?? randomUUID();
  for (const file of [sessionFile(databaseOf(root)), ...(state === null ? [] : [commitsFile(state)])])
    rmSync(file, { force: true });

  const db = openDatabase(databaseOf(root), root);
  try {
    if (found !== id) enterId(db, id);
    writeMarker(root, { kind: "root", id });
    takeBack(root, db, tell);
    await rebuildBlobs(root, db, tell);
    for (const table of copiedTables) rebuildRows(root, db, table, tell);
    dropWithoutFiles(root, db, tell);
    shareBlobs(db, clock);
  } finally {
    db.close();
  }
  log.debug("the database is rebuilt", { path: databaseOf(root) });
}

/** Everything is put together: anybody may open the root. */
export function endRecovery(root: string): void {
  rmSync(recoveryFile(root), { force: true });
  syncNames(dirname(databaseOf(root)));
}

/** Null where the root has no marker that can be read. Throws where it is not berth's. */
function idOfRoot(root: string, others: readonly string[]): string | null {
  const names = namesIn(root, others)?.filter((name) => name !== MARKER) ?? [];
  const marker = readMarker(root, "root");
  if (typeof marker === "object") return marker.id;
  const owner = names.some((name) => !isOwn(name)) || !names.some(isBerths) ? ownerOf(names) : null;
  if (names.length > 0 && (owner !== null || !names.some(isBerths)))
    throw failedPrecondition(refusal("root", root, names, owner));
  return null;
}

/** The id of the database that goes on to be used, empty where it has none; one that cannot be used is put aside. */
function keepDatabase(root: string, id: string | null, aside: string, tell: Tell): string | null {
  const path = databaseOf(root);
  if (!existsSync(path)) {
    begin(root);
    tell("the database is missing: a new one is made");
    // A log without its database is of no use, and harm to another.
    return putAside(path, aside);
  }
  let why: string;
  try {
    const [found, damage] = inspectDatabase(path, root, (database) => [
      database.value("id"),
      database.hasSchema ? database.damage() : "it is empty",
    ]);
    if (damage === null && (id === null || found === id || found === "")) {
      begin(root);
      tell("the database is whole and goes on to be used; what it lacks is added");
      return found;
    }
    why = damage ?? "it is another root's";
  } catch (error) {
    // In use, or the disk is full: no reason to give it up.
    if (["unavailable", "resource-exhausted"].includes((error as { kind?: string }).kind ?? "")) throw error;
    why = messageOf((error as Error).cause ?? error);
  }
  begin(root);
  tell(`the database cannot be used (${why}): it is put aside in ${aside}, and a new one is made`);
  return putAside(path, aside);
}

/** Once nothing speaks against it: a start on what a kill has left half done would put the rest aside. */
function begin(root: string): void {
  mkdirSync(dirname(recoveryFile(root)), { recursive: true, mode: 0o700 });
  writeDurably(recoveryFile(root), "");
}

function putAside(path: string, aside: string): null {
  const files = existsSync(dirname(path))
    ? readdirSync(dirname(path)).filter((name) => name.startsWith("meta.db"))
    : [];
  if (files.length > 0) mkdirSync(join(aside, "database"), { recursive: true, mode: 0o700 });
  for (const name of files) renameSync(join(dirname(path), name), join(aside, "database", basename(name)));
  return null;
}

/**
 * Each namespace gets each blob, since nothing on the disk says whose it was; a lease keeps all of it for a week. What an
 * image refers to is labelled by the caller, and the collector takes the rest then.
 */
function shareBlobs(db: Database, clock: Clock): void {
  const now = clock.now();
  const expire = new Date(Number(now / 1_000_000n) + KEPT).toISOString();
  const lease = `recovered-${nameOfBatch(clock)}`;
  db.transaction(() => {
    db.run(
      `INSERT OR IGNORE INTO namespaces (name, labels) SELECT namespace, '{}' FROM snapshots
       UNION SELECT namespace, '{}' FROM images UNION SELECT namespace, '{}' FROM containers`,
    );
    if (db.get("SELECT 1 FROM namespaces LIMIT 1") === null)
      db.run("INSERT INTO namespaces (name, labels) VALUES ('default', '{}')");
    db.run(
      `INSERT INTO leases (namespace, id, labels, created_at) SELECT name, ?, json_object('containerd.io/gc.expire', ?), ? FROM namespaces`,
      lease,
      expire,
      now,
    );
    // A blob that some namespace has is theirs: only those are shared that nobody has.
    const added = `SELECT namespaces.name AS namespace, blobs.digest, blobs.size FROM namespaces JOIN blobs
      WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.digest = blobs.digest)`;
    db.run(
      `INSERT INTO lease_resources (namespace, lease, type, id) SELECT namespace, ?, 'content', digest FROM (${added})`,
      lease,
    );
    db.run(
      `INSERT INTO lease_resources (namespace, lease, type, id)
       SELECT namespace, ?, 'snapshots/' || snapshotter, name FROM snapshots`,
      lease,
    );
    db.run(
      `INSERT INTO content (namespace, digest, size, labels, created_at, updated_at)
       SELECT namespace, digest, size, '{}', ?, ? FROM (${added})`,
      now,
      now,
    );
  }, "frees");
}
