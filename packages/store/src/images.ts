import {
  alreadyExists,
  BerthError,
  checkLabels,
  type Descriptor,
  invalidArgument,
  notFound,
  parseFilters,
  withoutEmpty,
} from "@berth/base";
import { type Core, fromLabels, labelField, toLabels } from "./core.ts";
import { attachToLease, detachFromLease, enterNamespace, namespaceOf } from "./scope.ts";
import type { ImageRecord, ImageStore } from "./types.ts";
import { updateMap } from "./update-map.ts";

type NewImage = Omit<ImageRecord, "createdAt" | "updatedAt">;

interface Row {
  name: string;
  labels: string;
  media_type: string;
  digest: string;
  size: number;
  annotations: string;
  created_at: number | bigint;
  updated_at: number | bigint;
}

export function imageStore({ db, clock, changed, tell }: Core): ImageStore {
  const find = (namespace: string, name: string): ImageRecord | null => {
    const row = db.get<Row>("SELECT * FROM images WHERE namespace = ? AND name = ?", namespace, name);
    return row && toRecord(row);
  };
  const put = (namespace: string, record: ImageRecord): void => {
    db.run(
      `INSERT OR REPLACE INTO images
         (namespace, name, labels, media_type, digest, size, annotations, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      namespace,
      record.name,
      fromLabels(record.labels),
      record.target.mediaType,
      record.target.digest,
      record.target.size,
      fromLabels(record.target.annotations),
      record.createdAt,
      record.updatedAt,
    );
  };

  return {
    find: (scope, name) => find(namespaceOf(scope), name),
    get(scope, name) {
      const found = find(namespaceOf(scope), name);
      if (!found) throw notFound("image", name);
      return found;
    },
    list(scope, filters) {
      const matches = parseFilters(filters);
      const rows = db.all<Row>("SELECT * FROM images WHERE namespace = ? ORDER BY name", namespaceOf(scope));
      return rows.map(toRecord).filter((record) => matches((path) => fieldOf(record, path)));
    },
    create: (scope, given) =>
      db.transaction(() => {
        const namespace = enterNamespace(db, scope);
        check(given);
        if (find(namespace, given.name)) throw alreadyExists("image", given.name);
        const now = clock.now();
        const record = { ...given, labels: withoutEmpty(given.labels), createdAt: now, updatedAt: now };
        put(namespace, record);
        attachToLease(db, scope, "images", given.name);
        changed("mutation");
        tell({ kind: "image-created", namespace, image: record });
        return record;
      }),
    update: (scope, given, paths) =>
      db.transaction(() => {
        const namespace = namespaceOf(scope);
        if (given.name === "") throw invalidArgument("image name is required for update");
        const stored = find(namespace, given.name);
        if (!stored) throw notFound("image", given.name);
        const record = { ...updated(stored, given, paths), updatedAt: clock.now() };
        check(record);
        put(namespace, record);
        // The old target may have lost its last reference.
        changed(stored.target.digest === record.target.digest ? "mutation" : "deletion");
        tell({ kind: "image-updated", namespace, image: record });
        return record;
      }),
    delete: (scope, name, options = {}) =>
      db.transaction(() => {
        const namespace = namespaceOf(scope);
        const stored = find(namespace, name);
        if (!stored) throw notFound("image", name);
        if (options.target !== undefined && options.target !== stored.target.digest)
          throw new BerthError("not-found", `image ${JSON.stringify(name)} has another target by now: not found`);
        db.run("DELETE FROM images WHERE namespace = ? AND name = ?", namespace, name);
        detachFromLease(db, scope, "images", name);
        changed("deletion");
        tell({ kind: "image-deleted", namespace, name });
      }, "frees"),
  };
}

function updated(stored: ImageRecord, given: NewImage, paths: readonly string[]): ImageRecord {
  const labels = updateMap("labels", stored.labels, given.labels);
  let { target } = stored;
  let annotations = updateMap("annotations", target.annotations, given.target.annotations);
  for (const path of paths.length === 0 ? ["labels", "target"] : paths) {
    if (labels.take(path) || annotations.take(path)) continue;
    if (path !== "target")
      throw invalidArgument(`cannot update "${path}" field on image ${JSON.stringify(stored.name)}`);
    target = given.target;
    annotations = updateMap("annotations", target.annotations, target.annotations);
  }
  return { ...stored, labels: labels.value, target: { ...target, annotations: annotations.value } };
}

function check(record: NewImage): void {
  if (record.name === "") throw invalidArgument("image name must not be empty");
  checkLabels(record.labels);
  checkTarget(record.target);
}

function checkTarget({ digest, size, mediaType }: Descriptor): void {
  // Names of blobs that nobody here can hold are allowed too: an image may point at what was never fetched.
  if (!/^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]{32,}$/.test(digest))
    throw invalidArgument(`Target.Digest ${JSON.stringify(digest)} invalid: invalid checksum digest format`);
  if (!(size > 0)) throw invalidArgument("Target.Size must be greater than zero");
  if (mediaType === "") throw invalidArgument("Target.MediaType must be set");
}

function fieldOf(record: ImageRecord, [first, ...rest]: readonly string[]): string | null {
  const text = (value: string): string | null => (value === "" ? null : value);
  if (first === "name") return text(record.name);
  if (first === "labels") return labelField(record.labels, rest);
  if (first === "annotations") return labelField(record.target.annotations, rest);
  if (first === "target" && rest[0] === "digest") return text(record.target.digest);
  if (first === "target" && rest[0] === "mediatype") return text(record.target.mediaType);
  return null;
}

const toRecord = (row: Row): ImageRecord => ({
  name: row.name,
  labels: toLabels(row.labels),
  target: {
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size,
    annotations: toLabels(row.annotations),
  },
  createdAt: BigInt(row.created_at),
  updatedAt: BigInt(row.updated_at),
});
