import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { dataLoss, failedPrecondition, kindOf, messageOf, unavailable, unknownError } from "@berth/base";
import { checkpointPages, openDiskRoom, roomFor } from "./disk-room.ts";
import { noSpace, spaceOf } from "./full-disk.ts";
import { RECOVER } from "./root/inspect-root.ts";
import { migrations } from "./schema.ts";
import { keepLogRoom, takeLogRoom } from "./wal-room.ts";

/** What a transaction does to the disk: what frees room must succeed when nothing is free. */
export type Effect = "adds" | "frees";

/**
 * When a transaction is to outlast a power cut: when it returns, or with the next one that is (a step of something that
 * nobody has been answered yet). A kill of this process loses neither.
 */
export type Durability = "now" | "later";

/** SQLite with prepared statements by their text, and transactions that nest. Everything is synchronous. */
export interface Database {
  get<T>(sql: string, ...params: SQLInputValue[]): T | null;
  all<T>(sql: string, ...params: SQLInputValue[]): T[];
  /** Returns how many rows changed. */
  run(sql: string, ...params: SQLInputValue[]): number;
  /**
   * All of it or, where it throws, nothing. The outermost one is durable when it returns (an fsync, 1 to 4 ms during which
   * this process does nothing else) unless that is to come later, and its effect counts: one that adds is refused (resource-exhausted) on a full disk before it begins; one that frees has the room that is
   * kept back, and may run twice.
   */
  transaction<T>(change: () => T, effect?: Effect, durable?: Durability): T;
  /** Called once the outermost transaction is durable; at once outside of one; never where it is rolled back. */
  afterCommit(then: () => void): void;
  /** Tells the key of each row that is inserted, changed or deleted, inside the transaction, which may still fail. */
  observe(what: Observed, told: (key: (string | number | bigint)[]) => void): void;
  /** From now on `stamp` is called in each outermost transaction that changes anything, `committed` once it is durable. */
  witness(witness: Witness): void;
  found(): FoundDatabase;
  /** Gives room that was kept back to what frees more. False where there is none. */
  release(): boolean;
  /** Takes the room for later removals back, where the disk has plenty. */
  refill(): void;
  close(): void;
}

export interface Observed {
  /** Of the observer: several may observe one table. */
  readonly as: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly events: readonly ("INSERT" | "UPDATE" | "DELETE")[];
}

/** Takes part in every commit. */
export interface Witness {
  stamp(): void;
  committed(durable: Durability): void;
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
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
/** Milliseconds that a predecessor has which is just closing. */
const TIMEOUT = 2000;

/**
 * Has `check` look at a database that is there, log and all, and changes nothing: a connection that may write would
 * write the log back when it is closed. Throws resource-exhausted on a full disk, for a log takes some kilobytes to read.
 */
export function inspectDatabase<T>(path: string, root: string, check: (found: FoundDatabase) => T): T {
  // Without a log there is nothing to wait for and nothing to make (https://sqlite.org/uri.html, "immutable").
  const hasLog = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  // The log's index would be mapped from a file: SIGBUS where its pages have no blocks, for SQLite asks for one byte of each.
  if (hasLog && spaceOf(root).free < roomFor(root)) throw noSpace(root, "for looking at the records");
  const url = pathToFileURL(path);
  if (!hasLog) url.searchParams.set("immutable", "1");
  // The index of the log, which those that may write keep in their memory; one that may not leaves it behind.
  const hadIndex = existsSync(`${path}-shm`);
  try {
    const db = new DatabaseSync(url, { readOnly: true, timeout: TIMEOUT });
    try {
      return check(foundIn(db));
    } finally {
      db.close();
      if (!hadIndex) rmSync(`${path}-shm`, { force: true });
    }
  } catch (error) {
    throw translate(error, path, root, roomFor(root));
  }
}

/**
 * Opens the database, made where absent, and brings its schema up to date. One that is up to date is not written to, so
 * that a full disk keeps nobody from it. `root` is the directory that errors name.
 */
export function openDatabase(path: string, root: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  takeLogRoom(path);
  const bytes = roomFor(root);
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
      throw translate(error, path, root, bytes);
    }
  };

  translated(() => {
    // One process at a time: the first access takes the lock and keeps it until the database is closed.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    db.exec(
      `PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096; PRAGMA wal_autocheckpoint = ${checkpointPages(bytes)}`,
    );
    checkVersion(db);
  });
  const room = translated(() => openDiskRoom(db, path, root));

  let depth = 0;
  let isDirty = false;
  let witness: Witness | null = null;
  let waiting: (() => void)[] = [];

  function attempt<T>(change: () => T): T {
    const level = depth;
    const outermost = level === 0;
    const pending = waiting.length;
    translated(() => db.exec(outermost ? "BEGIN IMMEDIATE" : `SAVEPOINT s${level}`));
    depth = level + 1;
    if (outermost) isDirty = false;
    try {
      const result = change();
      if (result instanceof Promise) throw new TypeError("a transaction must not be asynchronous");
      if (outermost && isDirty) witness?.stamp();
      translated(() => db.exec(outermost ? "COMMIT" : `RELEASE s${level}`));
      return result;
    } catch (error) {
      waiting.length = pending;
      // SQLite itself rolls back after some errors, a full disk among them.
      if (db.isTransaction) db.exec(outermost ? "ROLLBACK" : `ROLLBACK TO s${level}; RELEASE s${level}`);
      throw error;
    } finally {
      depth = level;
    }
  }

  function outermost<T>(change: () => T, effect: Effect): T {
    if (effect === "adds") translated(() => room.admit());
    try {
      return attempt(change);
    } catch (error) {
      if (effect === "adds" || !isFull(error) || !room.release()) throw error;
      return attempt(change);
    }
  }

  /** In WAL mode a commit is then not synchronized itself, but with the next one that is (https://sqlite.org/pragma.html). */
  function withoutSync<T>(commit: () => T): T {
    translated(() => db.exec("PRAGMA synchronous = NORMAL"));
    try {
      return commit();
    } finally {
      translated(() => db.exec("PRAGMA synchronous = FULL"));
    }
  }

  const missing = migrations.slice(versionOf(db));
  if (missing.length > 0)
    outermost(
      () =>
        translated(() => {
          for (const step of missing) db.exec(step);
          db.exec(`PRAGMA user_version = ${migrations.length}`);
        }),
      "frees",
    );

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
    transaction(change, effect = "adds", durable = "now") {
      if (depth > 0) return attempt(change);
      const result = durable === "now" ? outermost(change, effect) : withoutSync(() => outermost(change, effect));
      if (isDirty) witness?.committed(durable);
      const callbacks = waiting;
      waiting = [];
      for (const then of callbacks) then();
      return result;
    },
    afterCommit(then) {
      if (depth === 0) then();
      else waiting.push(then);
    },
    observe({ as, table, key, events }, told) {
      const name = `${as}_${table}`;
      db.function(name, { varargs: true }, (...values) => {
        told(values as (string | number | bigint)[]);
        return null;
      });
      // Of this connection alone, and nowhere on the disk.
      for (const event of events) {
        const row = event === "DELETE" ? "OLD" : "NEW";
        translated(() =>
          db.exec(
            `CREATE TEMP TRIGGER ${name}_${event} AFTER ${event} ON ${table} BEGIN SELECT ${name}(${key.map((column) => `${row}.${column}`).join(", ")}); END`,
          ),
        );
      }
    },
    witness(one) {
      witness = one;
    },
    found: () => foundIn(db, translated),
    release: () => room.release(),
    refill: () => translated(() => room.refill()),
    close() {
      keepLogRoom(path);
      db.close();
    },
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

function foundIn(db: DatabaseSync, translated: <T>(act: () => T) => T = (act) => act()): FoundDatabase {
  const hasSchema = translated(() => versionOf(db) > 0);
  const select = hasSchema ? translated(() => db.prepare("SELECT value FROM meta WHERE key = ?")) : null;
  return {
    hasSchema,
    value: (key) => translated(() => (select?.get(key) as { value: string } | undefined)?.value ?? ""),
    damage() {
      const { quick_check } = translated(() => db.prepare("PRAGMA quick_check(1)").get()) as { quick_check: string };
      return quick_check === "ok" ? null : quick_check.replaceAll("\n", "; ");
    },
  };
}

const versionOf = (db: DatabaseSync): number =>
  Number((db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);

function checkVersion(db: DatabaseSync): void {
  const version = versionOf(db);
  if (version > migrations.length)
    throw failedPrecondition(
      `the database has schema ${version}, but this program knows ${migrations.length} at most: use the version that wrote it, or a later one`,
    );
}

const codeOf = (error: unknown): number | undefined => (error as { errcode?: number } | undefined)?.errcode;

/** Whether it is SQLite's word for a full disk, as translated below. */
function isFull(error: unknown): boolean {
  if (kindOf(error) !== "resource-exhausted") return false;
  const code = codeOf((error as Error).cause);
  return code !== undefined && ((code & 0xff) === SQLITE_FULL || (code & 0xff) === SQLITE_IOERR);
}

function translate(error: unknown, path: string, root: string, room: number): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  // Extended codes carry the primary one in their low byte. A quota, and a disk that is full only when it is
  // synchronized, are errors of input and output for SQLite.
  const primary = code & 0xff;
  if (primary === SQLITE_FULL || (primary === SQLITE_IOERR && spaceOf(root).free < room))
    return noSpace(root, "for the records", error);
  if (primary === SQLITE_BUSY)
    return unavailable(`${path} is in use by another process: stop that one, or use another root`, { cause: error });
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB)
    return dataLoss(`the database ${path} is damaged (${messageOf(error)}): stop berthd and ${RECOVER}`, {
      cause: error,
    });
  if (primary === SQLITE_IOERR || primary === SQLITE_READONLY || primary === SQLITE_CANTOPEN)
    return unknownError(`the database ${path} cannot be read or written (${messageOf(error)})`, { cause: error });
  return error;
}
