import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { failedPrecondition, resourceExhausted, unavailable } from "@berth/base";
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
  close(): void;
}

// Result codes of SQLite (https://sqlite.org/rescode.html).
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

/** Opens the database, made where absent, and brings its schema up to date. */
export function openDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // The timeout bridges a predecessor that is just closing; two daemons on one root are refused by the lock below.
  const db = new DatabaseSync(path, { timeout: 2000 });
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
    run: (sql, ...params) => translated(() => Number(prepared(sql).run(...params).changes)),
    transaction(change) {
      const level = depth;
      const outermost = level === 0;
      const pending = waiting.length;
      translated(() => db.exec(outermost ? "BEGIN IMMEDIATE" : `SAVEPOINT s${level}`));
      depth = level + 1;
      let result: ReturnType<typeof change>;
      try {
        result = change();
        if (result instanceof Promise) throw new TypeError("a transaction must not be asynchronous");
        translated(() => db.exec(outermost ? "COMMIT" : `RELEASE s${level}`));
      } catch (error) {
        waiting.length = pending;
        // SQLite itself rolls back after some errors, a full disk among them.
        if (db.isTransaction) db.exec(outermost ? "ROLLBACK" : `ROLLBACK TO s${level}; RELEASE s${level}`);
        throw error;
      } finally {
        depth = level;
      }
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

function migrate(db: DatabaseSync): void {
  const version = Number((db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);
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
  return error;
}
