import {
  alreadyExists,
  checkLabels,
  invalidArgument,
  notFound,
  parseDigest,
  parseFilters,
  unimplemented,
  withoutEmpty,
} from "@berth/base";
import { type Core, fromLabels, labelField, toLabels } from "./core.ts";
import { enterNamespace, namespaceOf } from "./scope.ts";
import type { LeaseRecord, LeaseResource, LeaseStore } from "./types.ts";

interface Row {
  id: string;
  labels: string;
  created_at: number | bigint;
}

const toRecord = (row: Row): LeaseRecord => ({
  id: row.id,
  labels: toLabels(row.labels),
  createdAt: BigInt(row.created_at),
});

export function leaseStore({ db, clock, changed }: Core): LeaseStore {
  const demand = (namespace: string, id: string): void => {
    const found = db.get("SELECT 1 FROM leases WHERE namespace = ? AND id = ?", namespaceOf({ namespace }), id);
    if (!found) throw notFound("lease", id);
  };

  return {
    create: (namespace, record) =>
      db.transaction(() => {
        enterNamespace(db, { namespace });
        if (record.id === "") throw invalidArgument("lease id must not be empty");
        checkLabels(record.labels);
        if (db.get("SELECT 1 FROM leases WHERE namespace = ? AND id = ?", namespace, record.id))
          throw alreadyExists("lease", record.id);
        const lease = { id: record.id, labels: withoutEmpty(record.labels), createdAt: clock.now() };
        db.run(
          "INSERT INTO leases (namespace, id, labels, created_at) VALUES (?, ?, ?, ?)",
          namespace,
          lease.id,
          fromLabels(lease.labels),
          lease.createdAt,
        );
        changed("mutation");
        return lease;
      }),
    delete: (namespace, id) =>
      db.transaction(() => {
        demand(namespace, id);
        db.run("DELETE FROM leases WHERE namespace = ? AND id = ?", namespace, id);
        db.run("DELETE FROM lease_resources WHERE namespace = ? AND lease = ?", namespace, id);
        changed("deletion");
      }, "frees"),
    list(namespace, filters) {
      const matches = parseFilters(filters);
      const rows = db.all<Row>("SELECT * FROM leases WHERE namespace = ? ORDER BY id", namespaceOf({ namespace }));
      return rows.map(toRecord).filter((lease) => matches((path) => fieldOf(lease, path)));
    },
    addResource: (namespace, lease, resource) =>
      db.transaction(() => {
        demand(namespace, lease);
        checkResource(resource);
        db.run(
          "INSERT OR IGNORE INTO lease_resources (namespace, lease, type, id) VALUES (?, ?, ?, ?)",
          namespace,
          lease,
          resource.type,
          resource.id,
        );
        changed("mutation");
      }),
    deleteResource: (namespace, lease, resource) =>
      db.transaction(() => {
        demand(namespace, lease);
        checkResource(resource);
        db.run(
          "DELETE FROM lease_resources WHERE namespace = ? AND lease = ? AND type = ? AND id = ?",
          namespace,
          lease,
          resource.type,
          resource.id,
        );
        changed("deletion");
      }, "frees"),
    listResources(namespace, lease) {
      demand(namespace, lease);
      return db.all<LeaseResource>(
        "SELECT id, type FROM lease_resources WHERE namespace = ? AND lease = ? ORDER BY type, id",
        namespace,
        lease,
      );
    },
  };
}

function checkResource({ id, type }: LeaseResource): void {
  if (type === "content") {
    parseDigest(id);
  } else if (type === "snapshots" || type === "snapshots/") {
    throw invalidArgument(`invalid snapshot resource type ${type}: use snapshots/NAME-OF-THE-SNAPSHOTTER`);
  } else if (type !== "ingests" && type !== "images" && !/^snapshots\/[^/]+$/.test(type)) {
    throw unimplemented(`resource type ${type} not supported yet`);
  }
  if (id === "") throw invalidArgument(`resource of type ${type} has no id: give one`);
}

function fieldOf(lease: LeaseRecord, [first, ...rest]: readonly string[]): string | null {
  if (first === "id") return lease.id;
  if (first === "labels") return labelField(lease.labels, rest);
  return null;
}
