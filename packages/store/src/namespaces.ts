import { alreadyExists, checkId, checkLabels, failedPrecondition, notFound, withoutEmpty } from "@berth/base";
import { type Core, fromLabels, toLabels } from "./core.ts";
import type { NamespaceRecord, NamespaceStore } from "./types.ts";
import { updateLabels } from "./update-map.ts";

interface Row {
  name: string;
  labels: string;
}

const toRecord = (row: Row): NamespaceRecord => ({ name: row.name, labels: toLabels(row.labels) });

export function namespaceStore({ db, changed, tell }: Core): NamespaceStore {
  const find = (name: string): NamespaceRecord | null => {
    const row = db.get<Row>("SELECT name, labels FROM namespaces WHERE name = ?", checkId("namespace", name));
    return row && toRecord(row);
  };
  /** What still is in the namespace, in containerd's words. */
  const contents = (name: string): string[] => {
    const has = (table: string): boolean => db.get(`SELECT 1 FROM ${table} WHERE namespace = ? LIMIT 1`, name) !== null;
    const found: string[] = [];
    if (has("images")) found.push("images");
    if (has("content")) found.push("blobs");
    if (has("containers")) found.push("containers");
    const used = "SELECT DISTINCT snapshotter FROM snapshots WHERE namespace = ? ORDER BY snapshotter";
    for (const { snapshotter } of db.all<{ snapshotter: string }>(used, name))
      found.push(`snapshots on "${snapshotter}" snapshotter`);
    return found;
  };

  return {
    // A namespace that nobody wrote into yet is an empty one, as for containerd, which answers the same.
    get: (name) => find(name) ?? { name, labels: {} },
    list: () => db.all<Row>("SELECT name, labels FROM namespaces ORDER BY name").map(toRecord),
    create: (record) =>
      db.transaction(() => {
        checkId("namespace", record.name);
        checkLabels(record.labels);
        if (find(record.name)) throw alreadyExists("namespace", record.name);
        const labels = withoutEmpty(record.labels);
        db.run("INSERT INTO namespaces (name, labels) VALUES (?, ?)", record.name, fromLabels(labels));
        changed("mutation");
        tell({ kind: "namespace-created", namespace: record.name, labels });
        return { name: record.name, labels };
      }),
    update: (record, paths) =>
      db.transaction(() => {
        const labels = updateLabels("", find(record.name)?.labels ?? {}, record.labels, paths);
        db.run("INSERT OR REPLACE INTO namespaces (name, labels) VALUES (?, ?)", record.name, fromLabels(labels));
        changed("mutation");
        tell({ kind: "namespace-updated", namespace: record.name, labels });
        return { name: record.name, labels };
      }),
    delete: (name) =>
      db.transaction(() => {
        if (!find(name)) throw notFound("namespace", name);
        const left = contents(name);
        if (left.length > 0)
          throw failedPrecondition(`namespace "${name}" must be empty, but it still has ${left.join(", ")}`);
        db.run("DELETE FROM namespaces WHERE name = ?", name);
        for (const table of ["leases", "lease_resources"]) db.run(`DELETE FROM ${table} WHERE namespace = ?`, name);
        db.run("UPDATE ingests SET expire_at = 0 WHERE namespace = ?", name);
        changed("deletion");
        tell({ kind: "namespace-deleted", namespace: name });
      }, "frees"),
  };
}
