// From two directories to an open database: what is there is looked at first, and marked as berth's last.
import { randomUUID } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import { dataLoss, kindOf, type Log } from "@berth/base";
import { type Database, type FoundDatabase, inspectDatabase, openDatabase } from "../database.ts";
import { applicationId } from "./application-id.ts";
import { checkContinuity, openContinuity } from "./continuity.ts";
import { databaseOf, inspectRoot, RECOVER, type RootState } from "./inspect-root.ts";
import { inspectState } from "./inspect-state.ts";
import { writeMarker } from "./marker.ts";

export interface Places {
  /** What is kept over a restart of the machine. */
  readonly root: string;
  /** What is not; null where the caller has none. */
  readonly state: string | null;
  /** Paths of the caller's own (sockets) that may lie in one of the two. */
  readonly others: readonly string[];
  /** For what a recovery does last: the root is opened although it is not whole yet. */
  readonly recovering?: boolean;
}

/** Throws one sentence where one of the directories is somebody else's or not what it was; changes nothing. */
export function inspectPlaces(places: Places): RootState {
  const { root, state, others } = places;
  const found = inspectRoot(root, [...others, ...(state === null ? [] : [state])], places.recovering);
  const id = found.at === "marked" ? found.id : found.at === "fresh" ? "new" : null;
  if (state !== null) inspectState(state, { root, id, others: [...others, root] });
  return found;
}

export interface ClaimedRoot {
  readonly db: Database;
  /** Closes the database, after noting that this was in order. */
  close(): void;
}

/** Takes the directories, made (0711) where absent, and opens the database. Throws unavailable where another has the root. */
export function claimPlaces(places: Places, log: Log): ClaimedRoot {
  const { root, state, others } = places;
  const found = inspectPlaces(places);
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const path = databaseOf(root);
  const check = found.at === "fresh" ? () => "" : checkOf(places, found);
  let id = found.at === "fresh" ? "" : inspected(path, root, check);
  const db = openDatabase(path, root);
  try {
    id ??= check(db.found());
    if (id === "") id = enterId(db, randomUUID());
    if (found.at === "unmarked")
      log.warn("a root directory without its marker is taken: its database is whole", { path: root });
    if (found.at !== "marked") writeMarker(root, { kind: "root", id });
    if (state !== null) takeState(state, { root, id, others: [...others, root] }, log);
    const continuity = openContinuity(db, path, state, log);
    db.witness(continuity);
    return {
      db,
      close() {
        continuity.end();
        db.close();
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Null where the disk is too full to look at the database before it is opened. */
function inspected(path: string, root: string, check: (database: FoundDatabase) => string): string | null {
  try {
    return inspectDatabase(path, root, check);
  } catch (error) {
    if (kindOf(error) !== "resource-exhausted") throw error;
    return null;
  }
}

/** Gives the id that the database has; empty where it has none yet and may get one. */
function checkOf({ root, state }: Places, found: Exclude<RootState, { at: "fresh" }>) {
  const path = databaseOf(root);
  const hadLog = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  return (database: FoundDatabase): string => {
    const id = database.value("id");
    if (found.at === "marked" && id !== found.id)
      throw dataLoss(`the database ${path} is not that of root directory ${root}: ${RECOVER}`);
    if (found.at === "unmarked") {
      if (!database.hasSchema && !found.alone)
        throw dataLoss(`root directory ${root} is berth's, but its database ${path} is empty: ${RECOVER}`);
      const damage = database.damage();
      if (damage !== null) throw dataLoss(`the database ${path} is damaged (${damage}): ${RECOVER}`);
    }
    const numbers = { session: Number(database.value("session")), commits: Number(database.value("commits")) };
    checkContinuity(path, state, numbers, hadLog);
    return id;
  };
}

/** Gives the database its id, in its header too. */
export function enterId(db: Database, id: string): string {
  db.transaction(() => {
    db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('id', ?)", id);
    db.get(`PRAGMA application_id = ${applicationId(id)}`);
  }, "frees");
  // The header counts where it can be read without the log.
  db.get("PRAGMA wal_checkpoint(PASSIVE)");
  return id;
}

function takeState(state: string, about: Parameters<typeof inspectState>[1] & { id: string }, log: Log): void {
  const found = inspectState(state, about);
  if (found.at === "ours") return;
  mkdirSync(state, { recursive: true, mode: 0o711 });
  if (found.at === "unmarked")
    log.warn("a state directory without its marker is taken: its tasks are this root's", { path: state });
  writeMarker(state, { kind: "state", id: about.id });
}
