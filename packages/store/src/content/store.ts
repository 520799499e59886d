import { BerthError, invalidArgument, isDigest, messageOf, parseFilters } from "@berth/base";
import { type Core, fromLabels, labelField, toLabels } from "../core.ts";
import { detachFromLease, namespaceOf } from "../scope.ts";
import type { ContentInfo, ContentStore } from "../types.ts";
import { updateLabels } from "../update-map.ts";
import type { Blobs } from "./blobs.ts";
import type { Ingests } from "./ingests.ts";
import { openReader } from "./reader.ts";

interface Row {
  digest: string;
  size: number;
  labels: string;
  created_at: number | bigint;
  updated_at: number | bigint;
}

const toInfo = (row: Row): ContentInfo => ({
  digest: row.digest,
  size: row.size,
  labels: toLabels(row.labels),
  createdAt: BigInt(row.created_at),
  updatedAt: BigInt(row.updated_at),
});

export function contentStore(core: Core, blobs: Blobs, ingests: Ingests): ContentStore {
  const { db, clock, changed } = core;

  const recorded: ContentStore["info"] = (scope, digest) => {
    const namespace = namespaceOf(scope);
    if (!isDigest(digest)) throw invalidArgument(`"${digest}" failed validation: it is no sha256 digest`);
    const row = db.get<Row>("SELECT * FROM content WHERE namespace = ? AND digest = ?", namespace, digest);
    if (row) return toInfo(row);
    throw new BerthError("not-found", `content digest ${digest}: not found`);
  };
  const info: ContentStore["info"] = (scope, digest) => {
    const found = recorded(scope, digest);
    const damage = blobs.visibleDamage(digest);
    if (damage === null) return found;
    // Whoever asks before fetching is to fetch it again.
    throw new BerthError("not-found", messageOf(blobs.lost(digest, damage)));
  };
  /** The path of a blob that is whole, as far as it is in doubt. Throws data-loss. */
  const path: ContentStore["path"] = async (scope, digest) => {
    recorded(scope, digest);
    const damage = await blobs.damage(digest, false);
    if (damage !== null) throw blobs.lost(digest, damage);
    return blobs.path(digest);
  };
  const noRef = (ref: string): Error => new BerthError("not-found", `reference ${ref}: not found`);

  return {
    info,
    list(scope, filters) {
      const matches = parseFilters(filters);
      const rows = db.all<Row>("SELECT * FROM content WHERE namespace = ? ORDER BY digest", namespaceOf(scope));
      return rows.map(toInfo).filter((found) => matches((path) => fieldOf(found, path)));
    },
    update: (scope, given, paths) =>
      db.transaction(() => {
        const stored = recorded(scope, given.digest);
        const labels = updateLabels(`content info "${given.digest}"`, stored.labels, given.labels, paths);
        const updatedAt = clock.now();
        db.run(
          "UPDATE content SET labels = ?, updated_at = ? WHERE namespace = ? AND digest = ?",
          fromLabels(labels),
          updatedAt,
          scope.namespace,
          given.digest,
        );
        changed("mutation");
        return { ...stored, labels, updatedAt };
      }),
    delete: (scope, digest) =>
      db.transaction(() => {
        recorded(scope, digest);
        db.run("DELETE FROM content WHERE namespace = ? AND digest = ?", scope.namespace, digest);
        detachFromLease(db, scope, "content", digest);
        // The file goes with the next collection, if no other namespace has the blob.
        changed("deletion");
      }, "frees"),
    async reader(scope, digest) {
      const { size } = recorded(scope, digest);
      try {
        return await openReader(await path(scope, digest), size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") throw blobs.lost(digest, "its file is missing");
        throw error;
      }
    },
    path,
    damage: (digest) => (blobs.sizeOf(digest) === null ? Promise.resolve(null) : blobs.damage(digest, true)),
    async writer(scope, options) {
      namespaceOf(scope);
      if (options.ref === "") throw invalidArgument("ref must not be empty");
      if (options.expected !== "" && !isDigest(options.expected))
        throw invalidArgument(`expected digest "${options.expected}" is no sha256 digest`);
      return ingests.open(scope, options);
    },
    status(scope, ref) {
      const found = ingests.find(namespaceOf(scope), ref);
      if (found) return found;
      const error = noRef(ref);
      throw new BerthError("not-found", `could not get status for ref ${JSON.stringify(ref)}: ${messageOf(error)}`);
    },
    listStatuses(scope, filters) {
      const matches = parseFilters(filters);
      return ingests
        .list(namespaceOf(scope))
        .filter((status) => matches(([first]) => (first === "ref" && status.ref !== "" ? status.ref : null)));
    },
    async abort(scope, ref) {
      const namespace = namespaceOf(scope);
      db.transaction(() => {
        if (!ingests.drop(namespace, ref)) throw noRef(ref);
        detachFromLease(db, scope, "ingests", ref);
        changed("deletion");
      }, "frees");
    },
  };
}

function fieldOf(info: ContentInfo, [first, ...rest]: readonly string[]): string | null {
  if (first === "digest") return info.digest;
  if (first === "labels") return labelField(info.labels, rest);
  return null;
}
