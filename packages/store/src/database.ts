import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { dataLoss, failedPrecondition, messageOf, resourceExhausted, unavailable } from "@berth/base";
import { RECOVER } from "./root/inspect-root.ts";
import { migrations } from "./schema.ts";

/** SQLite with prepared statements by their text, and transactions that nest. Everything is synchronous. */
export interface Database {
  get<T>(sql: string, ...params: SQLInputValue[]): T | null;
  all<T>(sql: string, ...params: SQLInputValue[]): T[];
  /** Returns how many rows changed. */
  run(sql: string, ...params: SQLInputValue[]): number;
  /** All of it or, where it throws, nothing. The outermost one is durable (fsync) when it returns. */
  transaction<T>(change: () => T): T;
  /** Called once the outermost transaction is durable; at once outside of one; never where it is rolled back. */
  afterCommit(then: () => void): void;
  /** From now on each durable transaction that changes anything is counted in `meta`, and told. */
  count(committed: (count: number) => void): void;
  close(): void;
}

/** A database as it was found, before anything is written to it. */
export interface FoundDatabase {
  /** False for one that was just made, or whose making was cut off. */
  readonly hasSchema: boolean;
  /** Of the table meta; empty where it has none. */
  value(key: string): string;
  /** What SQLite finds wrong with the whole file; null for nothing. Takes a time that grows with it. */
  damage(): string | null;
}

// Result codes of SQLite (https://sqlite.org/rescode.html).
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
/** Milliseconds that a predecessor has which is just closing. */
const TIMEOUT = 2000;

/**
 * Has `check` look at a database that is there, log and all, and changes nothing but that a log which is missing is
 * there then, empty: a connection that may write would write the log back when it is closed.
 */
export function inspectDatabase<T>(path: string, check: (found: FoundDatabase) => T): T {
  // The index of the log, which those that may write keep in their memory; one that may not leaves it behind.
  const hadIndex = existsSync(`${path}-shm`);
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: TIMEOUT });
    try {
      return check(foundIn(db));
    } finally {
      db.close();
      if (!hadIndex) rmSync(`${path}-shm`, { force: true });
    }
  } catch (error) {
    throw translate(error, path);
  }
}

/** Opens the database, made where absent, and brings its schema up to date. */
export function openDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // Two daemons on one root are refused by the lock below.
  const db = new DatabaseSync(path, { timeout: TIMEOUT });
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const made = db.prepare(sql);
    made.setReadBigInts(true);
    statements.set(sql, made);
    return made;
  };
  const translated = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw translate(error, path);
    }
  };

  translated(() => {
    // One process at a time: the first write takes the lock and keeps it until the database is closed.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    db.exec("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096");
    migrate(db);
  });

  let depth = 0;
  let isDirty = false;
  let committed: ((count: number) => void) | null = null;
  let waiting: (() => void)[] = [];
  return {
    get: <T>(sql: string, ...params: SQLInputValue[]) =>
      translated(() => {
        const row = prepared(sql).get(...params);
        return row === undefined ? null : withNumbers<T>(row);
      }),
    all: <T>(sql: string, ...params: SQLInputValue[]) =>
      translated(() => {
        const rows = prepared(sql).all(...params);
        for (const row of rows) withNumbers(row);
        return rows as T[];
      }),
    run(sql, ...params) {
      const changes = translated(() => Number(prepared(sql).run(...params).changes));
      if (changes > 0) isDirty = true;
      return changes;
    },
    transaction(change) {
      const level = depth;
      const outermost = level === 0;
      const pending = waiting.length;
      translated(() => db.exec(outermost ? "BEGIN IMMEDIATE" : `SAVEPOINT s${level}`));
      if (outermost) isDirty = false;
      depth = level + 1;
      let count = 0;
      let result: ReturnType<typeof change>;
      try {
        result = change();
        if (result instanceof Promise) throw new TypeError("a transaction must not be asynchronous");
        if (outermost && isDirty && committed !== null) count = translated(() => Number(prepared(COUNT).get()?.value));
        translated(() => db.exec(outermost ? "COMMIT" : `RELEASE s${level}`));
      } catch (error) {
        waiting.length = pending;
        // SQLite itself rolls back after some errors, a full disk among them.
        if (db.isTransaction) db.exec(outermost ? "ROLLBACK" : `ROLLBACK TO s${level}; RELEASE s${level}`);
        throw error;
      } finally {
        depth = level;
      }
      if (count > 0) committed?.(count);
      if (outermost) {
        const callbacks = waiting;
        waiting = [];
        for (const then of callbacks) then();
      }
      return result;
    },
    afterCommit(then) {
      if (depth === 0) then();
      else waiting.push(then);
    },
    count(then) {
      committed = then;
    },
    close: () => db.close(),
  };
}

/** Integers become numbers where those hold them exactly; times in nanoseconds stay bigints. */
function withNumbers<T>(row: Record<string, SQLOutputValue>): T {
  for (const column in row) {
    const value = row[column];
    if (typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER)
      row[column] = Number(value);
  }
  return row as T;
}

const COUNT = "UPDATE meta SET value = value + 1 WHERE key = 'commits' RETURNING value";

function foundIn(db: DatabaseSync): FoundDatabase {
  const hasSchema = versionOf(db) > 0;
  const select = hasSchema ? db.prepare("SELECT value FROM meta WHERE key = ?") : null;
  return {
    hasSchema,
    value: (key) => (select?.get(key) as { value: string } | undefined)?.value ?? "",
    damage() {
      const { quick_check } = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
      return quick_check === "ok" ? null : quick_check.replaceAll("\n", "; ");
    },
  };
}

const versionOf = (db: DatabaseSync): number =>
  Number((db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);

function migrate(db: DatabaseSync): void {
  const version = versionOf(db);
  if (version > migrations.length)
    throw failedPrecondition(
      `the database has schema ${version}, but this program knows ${migrations.length} at most: use the version that wrote it, or a later one`,
    );
  db.exec("BEGIN IMMEDIATE");
  for (const step of migrations.slice(version)) db.exec(step);
  db.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
}

function translate(error: unknown, path: string): unknown {
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return error;
  // Extended codes carry the primary one in their low byte.
  if ((code & 0xff) === SQLITE_FULL)
    return resourceExhausted(`no space left on the disk of ${path}: free some and try again`, { cause: error });
  if ((code & 0xff) === SQLITE_BUSY)
    return unavailable(`${path} is in use by another process: stop that one, or use another root`, { cause: error });
  if ((code & 0xff) === SQLITE_CORRUPT || (code & 0xff) === SQLITE_NOTADB)
    return dataLoss(`the database ${path} is damaged (${messageOf(error)}): stop berthd and ${RECOVER}`, {
      cause: error,
    });
  return error;
}
