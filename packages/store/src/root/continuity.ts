// Whether the database is the newest that there was. SQLite takes a database without its log, or with a log that was
// cut short, for an older one that is whole, and what it had acknowledged would then be put aside as unknown.
//
// A session is a run of berthd that has changed anything. `session` beside the database says which was the last and
// whether it ended in order: 64 bytes written in place and synced, with its first change and at its end. `io.berth.commits`
// in the state directory (a tmpfs, which costs no fsync) counts its commits. The database has both numbers too, and
// must not be behind.
import { closeSync, constants, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { dataLoss, type Log } from "@berth/base";
import type { Database, Witness } from "../database.ts";
import { RECOVER } from "./inspect-root.ts";

/** Written in place, so that it needs no room on a full disk. */
const LENGTH = 64;

interface Numbers {
  readonly session: number;
  readonly second: string;
}

/** What the database says of itself. */
export interface DatabaseNumbers {
  readonly session: number;
  readonly commits: number;
}

export const sessionFile = (database: string): string => join(dirname(database), "session");
export const commitsFile = (state: string): string => join(state, "io.berth.commits");

/** Throws data-loss where the database is behind of what is noted beside it. */
export function checkContinuity(path: string, state: string | null, database: DatabaseNumbers, hadLog: boolean): void {
  const last = readNumbers(sessionFile(path));
  if (last === null) return;
  const noted = state === null ? null : readNumbers(commitsFile(state));
  const behind = (why: string) => dataLoss(`the database ${path} is older than it was (${why}): ${RECOVER}`);
  const lost = last.second === "open" && !hadLog ? "its -wal is gone; " : "";
  if (database.session < last.session)
    throw behind(`${lost}it is of session ${database.session}, but session ${last.session} has been`);
  if (noted !== null && noted.session === database.session) {
    const missing = Number(noted.second) - database.commits;
    if (missing > 0) throw behind(`${lost}${missing} of its last changes are missing`);
    // All of them are in it: a tool of SQLite's that has looked at it has written the log back.
    return;
  }
  if (lost !== "") throw behind("it was in use when it was last seen, and its -wal is gone");
}

export interface Continuity extends Witness {
  /** Everything is put away; the database is closed right after. */
  end(): void;
}

export function openContinuity(db: Database, path: string, state: string | null, log: Log): Continuity {
  const value = (key: string): number =>
    Number(db.get<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value ?? 0);
  const session = value("session") + 1;
  let count = 0;
  let files: { session: number; commits: number | null } | null = null;
  let isOff = false;
  /** What is noted here is never ahead of the database, so that one that cannot be written does no harm. */
  const unlessOff = (note: () => void): void => {
    if (isOff) return;
    try {
      note();
    } catch (err) {
      isOff = true;
      log.warn("a database that becomes older than it was would not be noticed: its state cannot be noted", {
        path,
        err,
      });
    }
  };

  return {
    stamp() {
      // Not counted in memory: a transaction that is rolled back takes it back.
      const next = String(count + 1);
      db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('session', ?), ('commits', ?)", String(session), next);
    },
    committed(durable) {
      count++;
      // What is noted beside the database must not be ahead of it after a power cut.
      if (durable === "later") return;
      unlessOff(() => {
        if (files === null) {
          // After the first commit, which has made the log: SQLite has synced its name too.
          files = { session: openInPlace(sessionFile(path)), commits: null };
          write(files.session, { session, second: "open" });
          fsyncSync(files.session);
          if (state !== null) files.commits = openInPlace(commitsFile(state));
        }
        if (files.commits !== null) write(files.commits, { session, second: String(count) });
      });
    },
    end() {
      const last = readNumbers(sessionFile(path));
      // Durable before SQLite removes its log, also where it is an earlier session's that was cut off.
      if (last !== null && last.second !== "ended") {
        const file = openInPlace(sessionFile(path));
        write(file, { ...last, second: "ended" });
        fsyncSync(file);
        closeSync(file);
      }
      if (files === null) return;
      closeSync(files.session);
      if (files.commits !== null) closeSync(files.commits);
      files = null;
    },
  };
}

const openInPlace = (path: string): number => openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);

function write(file: number, { session, second }: Numbers): void {
  writeSync(file, Buffer.from(`${session} ${second}`.padEnd(LENGTH - 1).concat("\n")), 0, LENGTH, 0);
}

/** Null where there is none, or none that can be understood. */
function readNumbers(path: string): Numbers | null {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return null;
  const [, session, second] = /^(\d{1,15}) (\w+) *\n$/.exec(readFileSync(path, "latin1")) ?? [];
  return session === undefined || second === undefined ? null : { session: Number(session), second };
}
