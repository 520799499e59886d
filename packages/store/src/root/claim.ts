// From two directories to an open database: what is there is looked at first, and marked as berth's last.
import { randomUUID } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import { dataLoss, type Log } from "@berth/base";
import { beginSession, type Session } from "../boot.ts";
import { type Database, type FoundDatabase, inspectDatabase, openDatabase } from "../database.ts";
import { applicationId } from "./application-id.ts";
import { checkContinuity, type OpenSession, openSession } from "./continuity.ts";
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
}

/** Throws one sentence where one of the directories is somebody else's or not what it was; changes nothing. */
export function inspectPlaces(places: Places): RootState {
  const { root, state, others } = places;
  const found = inspectRoot(root, [...others, ...(state === null ? [] : [state])]);
  const id = found.at === "marked" ? found.id : found.at === "fresh" ? "new" : null;
  if (state !== null) inspectState(state, { root, id, others: [...others, root] });
  return found;
}

export interface ClaimedRoot {
  readonly db: Database;
  readonly session: Session & OpenSession;
}

/** Takes the directories, made (0711) where absent, and opens the database. Throws unavailable where another has the root. */
export function claimPlaces(places: Places, boot: string, log: Log): ClaimedRoot {
  const { root, state, others } = places;
  const found = inspectPlaces(places);
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const path = databaseOf(root);
  const hadLog = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  let id = "";
  if (found.at !== "fresh")
    inspectDatabase(path, (database) => {
      id = checkedId(places, found, database);
      if (!database.hasSchema) return;
      const numbers = { session: Number(database.value("session")), commits: Number(database.value("commits")) };
      checkContinuity({ path, state }, numbers, hadLog);
    });
  const db = openDatabase(path);
  try {
    if (id === "") id = enterId(db, randomUUID());
    if (found.at !== "marked") {
      if (found.at === "unmarked")
        log.warn("a root directory without its marker is taken: its database is whole", { path: root });
      writeMarker(root, { kind: "root", id });
    }
    if (state !== null) takeState(state, { root, id, others: [...others, root] }, log);
    const session = beginSession(db, boot);
    const open = openSession(path, state, session.number);
    if (state !== null) db.count(open.committed);
    return { db, session: { ...session, ...open } };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The id that the database has; empty where it has none yet and may get one. */
function checkedId({ root }: Places, found: RootState, database: FoundDatabase): string {
  const path = databaseOf(root);
  const id = database.value("id");
  if (found.at === "marked" && id !== found.id)
    throw dataLoss(`the database ${path} is not that of root directory ${root}: ${RECOVER}`);
  if (found.at !== "unmarked") return id;
  if (!database.hasSchema && !found.alone)
    throw dataLoss(`root directory ${root} is berth's, but its database ${path} is empty: ${RECOVER}`);
  const damage = database.damage();
  if (damage !== null) throw dataLoss(`the database ${path} is damaged (${damage}): ${RECOVER}`);
  return id;
}

/** Gives the database its id, in its header too. */
export function enterId(db: Database, id: string): string {
  db.transaction(() => {
    db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('id', ?)", id);
    db.get(`PRAGMA application_id = ${applicationId(id)}`);
  });
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
