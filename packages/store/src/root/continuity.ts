// Whether the database is the newest that there was. SQLite takes a database without its log, or with a log that was
// cut short, for an older one that is whole, and what it had acknowledged would then be removed as unknown.
//
// `session` beside the database counts the starts and says whether the last one ended in order: one write of 64 bytes
// at the start, and one at the end. `io.berth.commits` in the state directory (a tmpfs, which costs no fsync) counts the
// commits of this session. The database has both numbers too, and must not be behind.
import { closeSync, constants, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { dataLoss } from "@berth/base";
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

const sessionFile = (database: string): string => join(dirname(database), "session");
const commitsFile = (state: string): string => join(state, "io.berth.commits");

/** Throws data-loss where the database is behind of what is noted beside it. */
export function checkContinuity(
  { path, state }: { path: string; state: string | null },
  database: DatabaseNumbers,
  hadLog: boolean,
): void {
  const last = readNumbers(sessionFile(path));
  if (last === null) return;
  const noted = state === null ? null : readNumbers(commitsFile(state));
  const behind = (why: string) => dataLoss(`the database ${path} is older than it was (${why}): ${RECOVER}`);
  const lost = last.second === "open" && !hadLog ? "its -wal is gone; " : "";
  if (database.session < last.session)
    throw behind(`${lost}it is of start ${database.session}, but start ${last.session} has been`);
  if (noted !== null && noted.session === database.session) {
    const missing = Number(noted.second) - database.commits;
    if (missing > 0) throw behind(`${lost}${missing} of its last changes are missing`);
    return;
  }
  if (lost !== "") throw behind("it was in use when it was last seen, and its -wal is gone");
}

/** Notes the beginning of a session; the log of the database must be on disk already. */
export function openSession(path: string, state: string | null, session: number): OpenSession {
  const file = writeInPlace(sessionFile(path), { session, second: "open" });
  fsyncSync(file);
  const commits = state === null ? null : writeInPlace(commitsFile(state), { session, second: "0" });
  return {
    committed(count) {
      if (commits !== null) writeSync(commits, line({ session, second: String(count) }), 0, LENGTH, 0);
    },
    end() {
      // Before SQLite removes its log.
      writeSync(file, line({ session, second: "ended" }), 0, LENGTH, 0);
      fsyncSync(file);
    },
    [Symbol.dispose]() {
      closeSync(file);
      if (commits !== null) closeSync(commits);
    },
  };
}

export interface OpenSession extends Disposable {
  /** So many commits of this session are durable. */
  committed(count: number): void;
  /** Everything is put away; the database is closed right after. */
  end(): void;
}

const line = ({ session, second }: Numbers): Buffer =>
  Buffer.from(`${session} ${second}`.padEnd(LENGTH - 1).concat("\n"));

function writeInPlace(path: string, numbers: Numbers): number {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  writeSync(file, line(numbers), 0, LENGTH, 0);
  return file;
}

/** Null where there is none, or none that can be understood. */
function readNumbers(path: string): Numbers | null {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return null;
  const [, session, second] = /^(\d{1,15}) (\w+) *\n$/.exec(readFileSync(path, "latin1")) ?? [];
  return session === undefined || second === undefined ? null : { session: Number(session), second };
}
