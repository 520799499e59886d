import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkId, messageOf } from "@berth/base";
import { type CopiedRow, type CopiedTable, copied, readCopies } from "../copies.ts";
import type { Database } from "../database.ts";
import { shown } from "./rebuild-blobs.ts";
import type { Tell } from "./recover-store.ts";

const snapshotPath = (root: string, snapshotter: unknown, id: unknown): string =>
  join(root, `io.containerd.snapshotter.v1.${snapshotter}`, "snapshots", String(id));

/** Enters the copies of a table's rows whose files are there. Those that the database has another version of are newer. */
export function rebuildRows(root: string, db: Database, table: CopiedTable, tell: Tell): void {
  const { rows, damaged } = readCopies(root, table);
  const columns = new Set(
    db.all<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`).map((one) => one.name),
  );
  const without: string[] = [];
  let added = 0;
  // A parent has a smaller number than what is built on it.
  for (const row of table === "snapshots" ? [...rows].sort((a, b) => Number(a.id) - Number(b.id)) : rows) {
    const lack = lackOf(root, db, table, row);
    if (lack !== null) {
      without.push(`${nameOf(table, row)} (${lack})`);
      continue;
    }
    const names = Object.keys(row).filter((name) => columns.has(name));
    try {
      db.transaction(
        () =>
          db.run(
            `INSERT OR REPLACE INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
            ...names.map((name) => row[name] ?? null),
          ),
        "frees",
      );
      added++;
    } catch (error) {
      without.push(`${nameOf(table, row)} (its copy is damaged: ${messageOf((error as Error).cause ?? error)})`);
    }
  }
  tell(`${added} ${table} rebuilt`);
  if (without.length > 0) tell(`not rebuilt: ${without.length} ${table}: ${shown(without)}`);
  if (damaged > 0) tell(`not rebuilt: ${damaged} ${table} whose copies cannot be read`);
}

const nameOf = (table: CopiedTable, row: CopiedRow): string =>
  table === "snapshots" ? String(row.name) : copied[table].map((column) => String(row[column])).join("/");

/** What the row is about and is not there any more; null where nothing is missing. */
function lackOf(root: string, db: Database, table: CopiedTable, row: CopiedRow): string | null {
  const namespace = String(table === "namespaces" ? row.name : row.namespace);
  if (!isId(namespace)) return "its namespace is not a name";
  if (table === "snapshots") {
    if (!existsSync(snapshotPath(root, row.snapshotter, row.id))) return "its directory is missing";
    if (row.parent !== null && db.get("SELECT 1 FROM snapshots WHERE id = ?", Number(row.parent)) === null)
      return "its parent is missing";
  }
  if (table === "images" && db.get("SELECT 1 FROM blobs WHERE digest = ?", String(row.digest)) === null)
    return "its manifest is missing";
  return null;
}

function isId(text: string): boolean {
  try {
    checkId("namespace", text);
    return true;
  } catch {
    return false;
  }
}

/** Rows of a database that is older than the disk: what they are about was deleted since. */
export function dropWithoutFiles(root: string, db: Database, tell: Tell): void {
  const files = new Set<string>();
  const blobs = join(root, "io.containerd.content.v1.content", "blobs", "sha256");
  for (const name of existsSync(blobs) ? readdirSync(blobs) : []) files.add(`sha256:${name}`);
  db.transaction(() => {
    let dropped = 0;
    for (const { digest } of db.all<{ digest: string }>("SELECT digest FROM blobs")) {
      if (files.has(digest)) continue;
      db.run("DELETE FROM content WHERE digest = ?", digest);
      dropped += db.run("DELETE FROM blobs WHERE digest = ?", digest);
    }
    const snapshots = db.all<{ id: number; snapshotter: string }>("SELECT id, snapshotter FROM snapshots ORDER BY id");
    for (const { id, snapshotter } of snapshots)
      if (!existsSync(snapshotPath(root, snapshotter, id))) dropped += db.run("DELETE FROM snapshots WHERE id = ?", id);
    dropped += db.run(
      `DELETE FROM containers WHERE snapshot_key != '' AND NOT EXISTS (SELECT 1 FROM snapshots AS s
         WHERE s.namespace = containers.namespace AND s.snapshotter = containers.snapshotter AND s.name = snapshot_key)`,
    );
    if (dropped > 0) tell(`${dropped} records of blobs, snapshots and containers dropped whose files are gone`);
  }, "frees");
}
