import type { Labels } from "@berth/base";
import { type Core, fromLabels, toLabels } from "../core.ts";
import { attachToLease } from "../scope.ts";
import type { ContentInfo, Scope } from "../types.ts";

interface Row {
  digest: string;
  size: number;
  labels: string;
  created_at: number | bigint;
  updated_at: number | bigint;
}

/** What namespaces have as blobs. The calls that change anything belong inside a transaction. */
export interface ContentRecords {
  find(namespace: string, digest: string): ContentInfo | null;
  /** Without blobs that are damaged. */
  list(namespace: string): ContentInfo[];
  insert(scope: Scope, digest: string, size: number, labels: Labels): ContentInfo;
  /** Of a blob whose bytes have come again: it keeps its labels, and has those that came with them. */
  restore(scope: Scope, record: ContentInfo, labels: Labels): ContentInfo;
  setLabels(scope: Scope, record: ContentInfo, labels: Labels): ContentInfo;
}

const toInfo = (row: Row): ContentInfo => ({
  digest: row.digest,
  size: row.size,
  labels: toLabels(row.labels),
  createdAt: BigInt(row.created_at),
  updatedAt: BigInt(row.updated_at),
});

export function contentRecords({ db, clock, changed }: Core): ContentRecords {
  const setLabels: ContentRecords["setLabels"] = (scope, record, labels) => {
    const updatedAt = clock.now();
    db.run(
      "UPDATE content SET labels = ?, updated_at = ? WHERE namespace = ? AND digest = ?",
      fromLabels(labels),
      updatedAt,
      scope.namespace,
      record.digest,
    );
    changed("mutation");
    return { ...record, labels, updatedAt };
  };
  return {
    find(namespace, digest) {
      const row = db.get<Row>("SELECT * FROM content WHERE namespace = ? AND digest = ?", namespace, digest);
      return row && toInfo(row);
    },
    list: (namespace) =>
      db
        .all<Row>(
          `SELECT content.* FROM content LEFT JOIN blobs USING (digest)
           WHERE namespace = ? AND blobs.damage IS NULL ORDER BY digest`,
          namespace,
        )
        .map(toInfo),
    insert(scope, digest, size, labels) {
      const now = clock.now();
      db.run(
        "INSERT INTO content (namespace, digest, size, labels, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        scope.namespace,
        digest,
        size,
        fromLabels(labels),
        now,
        now,
      );
      attachToLease(db, scope, "content", digest);
      changed("mutation");
      return { digest, size, labels, createdAt: now, updatedAt: now };
    },
    restore(scope, record, labels) {
      attachToLease(db, scope, "content", record.digest);
      return setLabels(scope, record, { ...record.labels, ...labels });
    },
    setLabels,
  };
}
