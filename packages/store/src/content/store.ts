import { BerthError, invalidArgument, isDigest, messageOf, parseFilters } from "@berth/base";
import { type Core, labelField } from "../core.ts";
import { detachFromLease, namespaceOf } from "../scope.ts";
import type { Trash } from "../trash.ts";
import type { ContentInfo, ContentStore } from "../types.ts";
import { updateLabels } from "../update-map.ts";
import { openBatch } from "./batch.ts";
import type { Blobs } from "./blobs.ts";
import { DamagedBlob } from "./damaged-blob.ts";
import type { Ingests } from "./ingests.ts";
import type { ContentLayout } from "./layout.ts";
import { openReader } from "./reader.ts";
import type { ContentRecords } from "./records.ts";
import { repairBlob } from "./repair.ts";

export function contentStore(parts: {
  core: Core;
  layout: ContentLayout;
  blobs: Blobs;
  records: ContentRecords;
  ingests: Ingests;
  trash: Trash;
}): ContentStore {
  const { core, layout, blobs, records, ingests } = parts;
  const { db, changed, tell } = core;

  const recorded: ContentStore["info"] = (scope, digest) => {
    const namespace = namespaceOf(scope);
    if (!isDigest(digest)) throw invalidArgument(`"${digest}" failed validation: it is no sha256 digest`);
    const found = records.find(namespace, digest);
    if (found) return found;
    throw new BerthError("not-found", `content digest ${digest}: not found`);
  };
  const info: ContentStore["info"] = (scope, digest) => {
    const found = recorded(scope, digest);
    const damage = blobs.seen(digest);
    if (damage !== null) throw new DamagedBlob(digest, damage);
    return found;
  };
  const path: ContentStore["path"] = async (scope, digest) => {
    recorded(scope, digest);
    const damage = await blobs.check(digest);
    if (damage !== null) throw new DamagedBlob(digest, damage);
    return blobs.path(digest);
  };
  const noRef = (ref: string): Error => new BerthError("not-found", `reference ${ref}: not found`);

  return {
    info,
    list(scope, filters) {
      const matches = parseFilters(filters);
      return records.list(namespaceOf(scope)).filter((found) => matches((path) => fieldOf(found, path)));
    },
    update(scope, given, paths) {
      const stored = info(scope, given.digest);
      const labels = updateLabels(`content info "${given.digest}"`, stored.labels, given.labels, paths);
      return db.transaction(() => records.setLabels(scope, stored, labels));
    },
    delete: (scope, digest) =>
      db.transaction(() => {
        recorded(scope, digest);
        db.run("DELETE FROM content WHERE namespace = ? AND digest = ?", scope.namespace, digest);
        detachFromLease(db, scope, "content", digest);
        // The file goes with the next collection, if no other namespace has the blob.
        changed("deletion");
        tell({ kind: "content-deleted", namespace: scope.namespace, digest });
      }, "frees"),
    async reader(scope, digest) {
      const { size } = recorded(scope, digest);
      try {
        return await openReader(await path(scope, digest), size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        throw new DamagedBlob(digest, blobs.seen(digest) ?? "its file is missing");
      }
    },
    path,
    verify: async (digest, options) => (blobs.sizeOf(digest) === null ? null : await blobs.verify(digest, options)),
    async repair(scope, { digest, size, signal }) {
      const known = blobs.sizeOf(digest);
      if (known !== null && records.find(namespaceOf(scope), digest) === null) await blobs.verify(digest, { signal });
      return await repairBlob({ core, layout, ingests }, scope, { digest, size: known ?? size, signal });
    },
    async writer(scope, options) {
      namespaceOf(scope);
      if (options.ref === "") throw invalidArgument("ref must not be empty");
      if (options.expected !== "" && !isDigest(options.expected))
        throw invalidArgument(`expected digest "${options.expected}" is no sha256 digest`);
      return ingests.open(scope, options);
    },
    async batch(scope, ref) {
      namespaceOf(scope);
      if (ref === "") throw invalidArgument("ref must not be empty");
      return openBatch(parts, scope, ref);
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
