import {
  alreadyExists,
  BerthError,
  checkId,
  checkLabels,
  invalidArgument,
  type Labels,
  parseFilters,
  withoutEmpty,
} from "@berth/base";
import { type Core, fromLabels, labelField, toLabels } from "./core.ts";
import { enterNamespace, namespaceOf } from "./scope.ts";
import type { AnyValue, ContainerRecord, ContainerStore, Scope } from "./types.ts";
import { updateMap } from "./update-map.ts";

type NewContainer = Omit<ContainerRecord, "createdAt" | "updatedAt">;
type Extensions = Readonly<Record<string, AnyValue>>;

interface Row {
  id: string;
  labels: string;
  image: string;
  runtime: string;
  options_type: string | null;
  options: Uint8Array | null;
  spec_type: string | null;
  spec: Uint8Array | null;
  snapshotter: string;
  snapshot_key: string;
  sandbox: string;
  extensions: string;
  created_at: number | bigint;
  updated_at: number | bigint;
}

/** Paths that an update without a mask stands for. */
const MUTABLE = ["labels", "spec", "extensions", "image", "snapshotkey"] as const;

export function containerStore({ db, clock, changed, tell }: Core): ContainerStore {
  const find = (namespace: string, id: string): ContainerRecord | null => {
    const row = db.get<Row>("SELECT * FROM containers WHERE namespace = ? AND id = ?", namespace, id);
    return row && toRecord(row);
  };
  const put = (namespace: string, record: ContainerRecord): void => {
    db.run(
      `INSERT OR REPLACE INTO containers (namespace, id, labels, image, runtime, options_type, options, spec_type, spec,
         snapshotter, snapshot_key, sandbox, extensions, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      namespace,
      record.id,
      fromLabels(record.labels),
      record.image,
      record.runtime.name,
      record.runtime.options?.typeUrl ?? null,
      record.runtime.options?.value ?? null,
      record.spec?.typeUrl ?? null,
      record.spec?.value ?? null,
      record.snapshotter,
      record.snapshotKey,
      record.sandbox,
      fromExtensions(record.extensions),
      record.createdAt,
      record.updatedAt,
    );
    changed("mutation");
  };

  return {
    find: (scope, id) => find(namespaceOf(scope), id),
    get(scope, id) {
      const namespace = namespaceOf(scope);
      const found = find(namespace, id);
      if (found) return found;
      throw new BerthError("not-found", `container ${JSON.stringify(id)} in namespace "${namespace}": not found`);
    },
    list(scope, filters) {
      const matches = parseFilters(filters);
      const rows = db.all<Row>("SELECT * FROM containers WHERE namespace = ? ORDER BY id", namespaceOf(scope));
      return rows.map(toRecord).filter((record) => matches((path) => fieldOf(record, path)));
    },
    create: (scope: Scope, given: NewContainer) =>
      db.transaction(() => {
        const namespace = enterNamespace(db, scope);
        check(given, "create container failed validation");
        if (find(namespace, given.id)) throw alreadyExists("container", given.id);
        const now = clock.now();
        const record = { ...given, labels: withoutEmpty(given.labels), createdAt: now, updatedAt: now };
        put(namespace, record);
        tell({ kind: "container-created", namespace, container: record });
        return record;
      }),
    update: (scope, given, paths) =>
      db.transaction(() => {
        const namespace = namespaceOf(scope);
        if (given.id === "") throw invalidArgument("must specify a container id");
        const stored = find(namespace, given.id);
        if (!stored) throw new BerthError("not-found", `container ${JSON.stringify(given.id)}: not found`);
        const record = { ...updated(stored, given, paths), updatedAt: clock.now() };
        check(record, "update failed validation");
        put(namespace, record);
        tell({ kind: "container-updated", namespace, container: record });
        return record;
      }),
    delete: (scope, id) =>
      db.transaction(() => {
        const namespace = namespaceOf(scope);
        if (db.run("DELETE FROM containers WHERE namespace = ? AND id = ?", namespace, id) === 0)
          throw new BerthError("not-found", `container ${id}: not found`);
        db.run("DELETE FROM unfinished WHERE namespace = ? AND id = ?", namespace, id);
        changed("deletion");
        tell({ kind: "container-deleted", namespace, id });
      }, "frees"),
  };
}

function updated(stored: ContainerRecord, given: NewContainer, paths: readonly string[]): ContainerRecord {
  if (paths.length === 0) {
    if (given.snapshotter !== stored.snapshotter) throw invalidArgument("container.Snapshotter field is immutable");
    if (given.runtime.name !== stored.runtime.name) throw invalidArgument("container.Runtime.Name field is immutable");
  }
  const labels = updateMap("labels", stored.labels, given.labels);
  const extensions = new Map(Object.entries(stored.extensions));
  let record = stored;
  for (const path of paths.length === 0 ? MUTABLE : paths) {
    if (labels.take(path)) continue;
    if (path === "extensions") {
      extensions.clear();
      for (const [key, value] of Object.entries(given.extensions)) extensions.set(key, value);
    } else if (path.startsWith("extensions.")) {
      const key = path.slice("extensions.".length);
      const value = Object.hasOwn(given.extensions, key) ? given.extensions[key] : undefined;
      if (value === undefined) extensions.delete(key);
      else extensions.set(key, value);
    } else if (path === "spec") record = { ...record, spec: given.spec };
    else if (path === "image") record = { ...record, image: given.image };
    else if (path === "snapshotkey") record = { ...record, snapshotKey: given.snapshotKey };
    else throw invalidArgument(`cannot update "${path}" field on ${JSON.stringify(stored.id)}`);
  }
  return { ...record, labels: labels.value, extensions: Object.fromEntries(extensions) };
}

function check(record: NewContainer, doing: string): void {
  const fail = (why: string): never => {
    throw invalidArgument(`${doing}: ${why}`);
  };
  try {
    checkId("container", record.id);
    checkLabels(record.labels);
  } catch (error) {
    fail((error as Error).message);
  }
  if (Object.hasOwn(record.extensions, "")) fail("container.Extension keys must not be zero-length");
  if (record.runtime.name === "") fail("container.Runtime.Name must be set");
  if (record.spec === null) fail("container.Spec must be set");
  if (record.snapshotKey !== "" && record.snapshotter === "")
    fail("container.Snapshotter must be set if container.SnapshotKey is set");
}

function fieldOf(record: ContainerRecord, [first, ...rest]: readonly string[]): string | null {
  const text = (value: string): string | null => (value === "" ? null : value);
  if (first === "id") return text(record.id);
  if (first === "image") return text(record.image);
  if (first === "labels") return labelField(record.labels, rest);
  if (first === "runtime" && rest[0] === "name") return text(record.runtime.name);
  return null;
}

const anyOf = (type: string | null, value: Uint8Array | null): AnyValue | null =>
  type === null ? null : { typeUrl: type, value: value ?? new Uint8Array(0) };

const toRecord = (row: Row): ContainerRecord => ({
  id: row.id,
  labels: toLabels(row.labels) as Labels,
  image: row.image,
  runtime: { name: row.runtime, options: anyOf(row.options_type, row.options) },
  spec: anyOf(row.spec_type, row.spec),
  snapshotter: row.snapshotter,
  snapshotKey: row.snapshot_key,
  createdAt: BigInt(row.created_at),
  updatedAt: BigInt(row.updated_at),
  extensions: toExtensions(row.extensions),
  sandbox: row.sandbox,
});

function fromExtensions(extensions: Extensions): string {
  const entries = Object.entries(extensions);
  return JSON.stringify(entries.map(([key, any]) => [key, any.typeUrl, Buffer.from(any.value).toString("base64")]));
}

function toExtensions(json: string): Extensions {
  const entries = JSON.parse(json) as [string, string, string][];
  return Object.fromEntries(
    entries.map(([key, typeUrl, value]) => [key, { typeUrl, value: new Uint8Array(Buffer.from(value, "base64")) }]),
  );
}
