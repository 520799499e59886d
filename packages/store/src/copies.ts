// A file for each record that nothing else on the disk could tell: `io.berth.copies.v1/TABLE/KEY.json`. Nobody reads
// them but `berthd recover`, when the database is lost. They are written after the answer and without fsync: what the
// database has is what counts, and a copy that a power cut took is missing only where the database is gone too.
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { Log } from "@berth/base";
import type { Database } from "./database.ts";

/** Tables that are copied, with what names a row. In the order in which they are taken back. */
export const copied = {
  namespaces: ["name"],
  snapshots: ["id"],
  images: ["namespace", "name"],
  containers: ["namespace", "id"],
} as const;

export type CopiedTable = keyof typeof copied;
export const copiedTables = Object.keys(copied) as CopiedTable[];

type Value = string | number | bigint | Uint8Array | null;
/** A row of its table, by column. */
export type CopiedRow = Readonly<Record<string, Value>>;

/** Copies made at once before others get their turn. */
const SLICE = 50;

const directoryOf = (root: string, table: string): string => join(root, "io.berth.copies.v1", table);

const fileOf = (key: readonly Value[]): string =>
  typeof key[0] === "number" && key.length === 1
    ? `${key[0]}.json`
    : `${createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 32)}.json`;

export interface Copies extends AsyncDisposable {
  /** Brings all copies up to date with the database: those that an older version or a crash has not made or removed. */
  catchUp(): Promise<void>;
}

export function openCopies({ db, root, log }: { db: Database; root: string; log: Log }): Copies {
  for (const table of copiedTables) mkdirSync(directoryOf(root, table), { recursive: true, mode: 0o700 });
  const waiting = new Map<string, () => void>();
  let flushing: NodeJS.Immediate | null = null;
  let isTold = false;
  let isClosed = false;

  const guarded = (act: () => void): void => {
    try {
      act();
    } catch (err) {
      if (!isTold)
        log.warn("copies of records cannot be kept; recovering a lost database would miss some", { path: root, err });
      isTold = true;
    }
  };
  const flush = (): void => {
    flushing = null;
    const now = [...waiting.values()];
    waiting.clear();
    for (const copy of now) guarded(copy);
  };
  const copy = (table: CopiedTable, key: readonly Value[]): void => {
    const where = copied[table].map((column) => `${column} = ?`).join(" AND ");
    const row = db.get<CopiedRow>(`SELECT * FROM ${table} WHERE ${where}`, ...key);
    const path = join(directoryOf(root, table), fileOf(key));
    if (row === null) rmSync(path, { force: true });
    else {
      writeFileSync(`${path}.new`, encode(row), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    }
  };

  for (const table of copiedTables)
    db.observe({ as: "copies", table, key: copied[table], events: ["INSERT", "UPDATE", "DELETE"] }, (key) => {
      const name = `${table}/${fileOf(key)}`;
      // Once the transaction is over, however it ended: what is copied is what the database has then.
      waiting.set(name, () => copy(table, key));
      flushing ??= setImmediate(flush);
    });

  async function catchUp(): Promise<void> {
    let done = 0;
    for (const table of copiedTables) {
      const rows = db.all<Record<string, Value>>(`SELECT ${copied[table].join(", ")} FROM ${table}`);
      const keys = new Map(rows.map((row) => [fileOf(Object.values(row)), Object.values(row)]));
      for (const name of readdirSync(directoryOf(root, table))) {
        if (!keys.delete(name)) guarded(() => rmSync(join(directoryOf(root, table), name), { force: true }));
      }
      for (const key of keys.values()) {
        if (isClosed) return;
        guarded(() => copy(table, key));
        if (++done % SLICE === 0) await turn();
      }
    }
  }

  return {
    catchUp,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      if (flushing !== null) clearImmediate(flushing);
      flush();
    },
  };
}

/** The copies of a table that can be read; `damaged` counts the others. */
export function readCopies(root: string, table: CopiedTable): { rows: CopiedRow[]; damaged: number } {
  const directory = directoryOf(root, table);
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { rows: [], damaged: 0 };
    throw error;
  }
  const rows = names.map((name) => readCopy(join(directory, name), table)).filter((row) => row !== null);
  return { rows, damaged: names.length - rows.length };
}

/** Null where it is no copy of a row of the table. */
function readCopy(path: string, table: CopiedTable): CopiedRow | null {
  if (!lstatSync(path).isFile()) return null;
  const row = decode(readFileSync(path, "utf8"));
  const isWhole = row !== null && copied[table].every((column) => row[column] !== undefined && row[column] !== null);
  return isWhole ? row : null;
}

const encode = (row: CopiedRow): string =>
  JSON.stringify(Object.fromEntries(Object.entries(row).map(([column, value]) => [column, jsonOf(value)])));

function jsonOf(value: Value): unknown {
  if (typeof value === "bigint") return { integer: String(value) };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("base64") };
  return value;
}

function decode(text: string): CopiedRow | null {
  try {
    const row = JSON.parse(text, (_key, value: unknown) => plain(value)) as CopiedRow;
    return typeof row === "object" && row !== null ? row : null;
  } catch {
    return null;
  }
}

function plain(value: unknown): unknown {
  const { integer, bytes } = (value ?? {}) as { integer?: unknown; bytes?: unknown };
  if (typeof integer === "string") return BigInt(integer);
  if (typeof bytes === "string") return Uint8Array.from(Buffer.from(bytes, "base64"));
  return value;
}
