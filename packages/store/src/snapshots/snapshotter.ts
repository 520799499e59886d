import { existsSync, readdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  alreadyExists,
  BerthError,
  checkLabels,
  failedPrecondition,
  invalidArgument,
  type Labels,
  type Mount,
  parseFilters,
  withoutEmpty,
} from "@berth/base";
import { type Core, fromLabels, labelField, toLabels } from "../core.ts";
import { fileError } from "../full-disk.ts";
import { attachToLease, checkLease, detachFromLease, enterNamespace, namespaceOf } from "../scope.ts";
import { syncDirectory } from "../sync-directory.ts";
import { openTrash, type Trash } from "../trash.ts";
import type { Scope, SnapshotInfo, SnapshotKind, Snapshotter, StagedSnapshot } from "../types.ts";
import { updateLabels } from "../update-map.ts";
import { checkDirectory } from "./check-directory.ts";
import { diskUsage } from "./disk-usage.ts";
import type { LayerLayout, Stack } from "./layer-layout.ts";

/** Names the snapshot that a remote snapshotter may already have; an answer of already-exists says that it is there. */
const SNAPSHOT_REF = "containerd.io/snapshot.ref";

interface Row {
  id: number;
  name: string;
  parent: number | null;
  parent_name: string | null;
  kind: SnapshotKind;
  labels: string;
  size: number;
  inodes: number;
  created_at: number | bigint;
  updated_at: number | bigint;
}

/** A snapshotter, with what the rest of the store needs of it. */
export interface LocalSnapshotter {
  readonly api: Snapshotter;
  readonly trash: Trash;
  /** The directory goes to the trash once the transaction is durable. */
  discard(id: number): void;
}

const SELECT = `SELECT s.*, p.name AS parent_name FROM snapshots AS s LEFT JOIN snapshots AS p ON p.id = s.parent
  WHERE s.namespace = ? AND s.snapshotter = ?`;

/** Snapshots as rows and numbered directories; `numbers` gives numbers that were never used. */
export function openSnapshotter(
  core: Core,
  layout: LayerLayout,
  numbers: { next(): number },
  syncfs: (path: string) => Promise<void>,
): LocalSnapshotter {
  const { db, clock, changed, tell, removals, quarantine } = core;
  const trash = openTrash(join(dirname(layout.directory), "removed"), core);
  putAsideUnknown();

  const find = (namespace: string, key: string): Row | null =>
    db.get<Row>(`${SELECT} AND s.name = ?`, namespace, layout.name, key);
  const demand = (scope: Scope, key: string): Row => {
    const row = find(namespaceOf(scope), key);
    if (row) return row;
    throw new BerthError("not-found", `snapshot ${key} does not exist: not found`);
  };
  const stackOf = (row: Pick<Row, "id" | "parent" | "kind">): Stack => ({
    id: row.id,
    parents: row.parent === null ? [] : ancestors(row.parent),
    kind: row.kind,
  });
  /** The snapshot and its parents, nearest first. */
  const ancestors = (id: number): number[] =>
    db
      .all<{ id: number }>(
        `WITH RECURSIVE chain (id, parent, depth) AS (
           SELECT id, parent, 0 FROM snapshots WHERE id = ?
           UNION ALL SELECT s.id, s.parent, depth + 1 FROM snapshots AS s JOIN chain ON s.id = chain.parent
         ) SELECT id FROM chain ORDER BY depth`,
        id,
      )
      .map((row) => row.id);

  /** Of the snapshot and all that it lies upon: a mount of them fails without saying what is missing. */
  function checkDirectories(stack: Stack): void {
    for (const [path, id] of layout.needed(stack)) checkDirectory(path, () => ownerOf(id));
  }

  function ownerOf(id: number): readonly [string, string] {
    const row = db.get<Pick<Row, "name" | "kind">>("SELECT name, kind FROM snapshots WHERE id = ?", id);
    const isImages = row?.kind === "committed";
    return [
      `snapshot ${JSON.stringify(row?.name ?? String(id))}`,
      isImages
        ? "make it again with berth image check --repair, or remove and import its image"
        : "what was written to it is lost, remove its container and make it again",
    ];
  }

  function checkUsable(): void {
    // Begins with containerd's words for a snapshotter that is skipped.
    if (layout.refusal !== "")
      throw invalidArgument(
        `snapshotter not loaded: ${layout.name}, since it does not work below ${core.root} (${layout.refusal}): use native`,
      );
  }

  /** Null for no parent. Throws where the snapshot cannot be made. */
  function checkNew(scope: Scope, key: string, parent: string, labels: Labels): Row | null {
    const namespace = namespaceOf(scope);
    checkLabels(labels);
    checkLease(db, scope);
    if (key === "") throw invalidArgument("snapshot key must not be empty");
    const target = labels[SNAPSHOT_REF] ?? "";
    if (target !== "" && find(namespace, target)) throw alreadyExists("target snapshot", target);
    if (find(namespace, key)) throw alreadyExists("snapshot", key);
    if (parent === "") return null;
    const row = find(namespace, parent);
    if (!row) throw new BerthError("not-found", `parent snapshot ${parent} does not exist: not found`);
    if (row.kind !== "committed")
      throw invalidArgument(
        `failed to create snapshot: parent "${namespace}/${row.id}/${parent}" is not committed snapshot`,
      );
    return row;
  }

  async function stage(
    scope: Scope,
    { kind, key, parent, labels }: { kind: "active" | "view"; key: string; parent: string; labels: Labels },
  ): Promise<StagedSnapshot> {
    checkUsable();
    const below = checkNew(scope, key, parent, labels);
    const id = numbers.next();
    const stack: Stack = {
      id,
      parents: below === null ? [] : ancestors(below.id),
      kind,
    };
    if (stack.parents.length > layout.mostParents)
      throw failedPrecondition(
        `snapshot ${JSON.stringify(key)} would lie upon ${stack.parents.length} others: ${layout.name} takes ${layout.mostParents} layers at most`,
      );
    const [nearest, ...others] = stack.parents;
    if (nearest !== undefined) checkDirectories({ id: nearest, parents: others, kind: "committed" });
    checkDirectory(layout.directory, () => [`snapshotter ${layout.name}`, "start berthd again, which makes it"]);
    let state: "staged" | "committed" | "gone" = "staged";
    const directory = join(layout.directory, String(id));
    try {
      await layout.make(stack);
      // The record must not outlive the directory that it is about, nor point to one that a power cut took.
      await syncDirectory(layout.directory);
    } catch (error) {
      trash.take(directory);
      throw fileError(error, core.root, `making snapshot ${JSON.stringify(key)}`);
    }
    return {
      commit() {
        if (state !== "staged") throw new Error(`snapshot ${key} was ${state} before`);
        return db.transaction(() => {
          const still = checkNew(scope, key, parent, labels);
          if ((still?.id ?? null) !== (below?.id ?? null))
            throw new BerthError("not-found", `parent snapshot ${parent} was replaced meanwhile: not found`);
          const namespace = enterNamespace(db, scope);
          const now = clock.now();
          db.run(
            `INSERT INTO snapshots (id, namespace, snapshotter, name, parent, kind, labels, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
            id,
            namespace,
            layout.name,
            key,
            below?.id ?? null,
            kind,
            fromLabels(withoutEmpty(labels)),
            now,
            now,
          );
          attachToLease(db, scope, `snapshots/${layout.name}`, key);
          changed("mutation");
          // A view changes nothing that others could wait for.
          if (kind === "active") tell({ kind: "snapshot-prepared", namespace, snapshotter: layout.name, key, parent });
          db.afterCommit(() => {
            state = "committed";
          });
          return layout.mounts(stack);
        });
      },
      async [Symbol.asyncDispose]() {
        if (state !== "staged") return;
        state = "gone";
        trash.take(directory);
      },
    };
  }

  async function make(kind: "active" | "view", scope: Scope, key: string, parent: string, labels: Labels) {
    await using staged = await stage(scope, { kind, key, parent, labels });
    return staged.commit();
  }

  function putAsideUnknown(): void {
    const rows = db.all<{ id: number }>("SELECT id FROM snapshots WHERE snapshotter = ?", layout.name);
    const known = new Set(rows.map(({ id }) => String(id)));
    for (const name of readdirSync(layout.directory)) {
      if (known.has(name)) continue;
      const path = join(layout.directory, name);
      if (removals.has(path)) trash.take(path);
      else quarantine.take(`snapshots/${layout.name}`, path, name);
    }
  }

  function discard(id: number): void {
    removals.add(join(layout.directory, String(id)), trash);
  }

  function drop(scope: Scope, key: string): void {
    db.transaction(() => {
      const row = demand(scope, key);
      if (db.get("SELECT 1 FROM snapshots WHERE parent = ? LIMIT 1", row.id))
        throw failedPrecondition("cannot remove snapshot with child");
      db.run("DELETE FROM snapshots WHERE id = ?", row.id);
      detachFromLease(db, scope, `snapshots/${layout.name}`, key);
      discard(row.id);
      changed("deletion");
      tell({ kind: "snapshot-removed", namespace: scope.namespace, snapshotter: layout.name, key });
    }, "frees");
  }

  const api: Snapshotter = {
    name: layout.name,
    mostLayers: layout.mostParents,
    stage,
    prepare: (scope, key, parent, labels) => make("active", scope, key, parent, labels),
    view: (scope, key, parent, labels) => make("view", scope, key, parent, labels),
    async mounts(scope, key): Promise<Mount[]> {
      checkUsable();
      const row = demand(scope, key);
      if (row.kind === "committed")
        throw failedPrecondition(`failed to get active mount: requested snapshot ${key} not active or view`);
      const stack = stackOf(row);
      checkDirectories(stack);
      return layout.mounts(stack);
    },
    async commit(scope, name, key, labels) {
      const before = checkCommit(scope, name, key, labels);
      const own = layout.ownDirectory(before.id);
      checkDirectory(own, () => ownerOf(before.id));
      const { size, inodes } = await diskUsage(own);
      // What others will build on must be as durable as the record of it.
      await syncfs(own).catch((error: unknown) => {
        throw fileError(error, core.root, `writing snapshot ${key} to the disk`);
      });
      db.transaction(() => {
        const row = checkCommit(scope, name, key, labels);
        if (row.id !== before.id)
          throw new BerthError("not-found", `snapshot ${key} was replaced meanwhile: not found`);
        const now = clock.now();
        db.run(
          `UPDATE snapshots SET name = ?, kind = 'committed', labels = ?, size = ?, inodes = ?,
             created_at = ?, updated_at = ? WHERE id = ?`,
          name,
          fromLabels(withoutEmpty(labels)),
          size,
          inodes,
          now,
          now,
          row.id,
        );
        detachFromLease(db, scope, `snapshots/${layout.name}`, key);
        attachToLease(db, scope, `snapshots/${layout.name}`, name);
        changed("mutation");
        tell({ kind: "snapshot-committed", namespace: scope.namespace, snapshotter: layout.name, key, name });
      });
    },
    async remove(scope, key) {
      drop(scope, key);
    },
    drop,
    async clear(scope, key) {
      const row = demand(scope, key);
      if (row.kind !== "active") throw failedPrecondition(`snapshot ${key} is not active, and stays as it is`);
      const own = layout.ownDirectory(row.id);
      if (!existsSync(own)) return;
      for (const name of await readdir(own)) await rm(join(own, name), { recursive: true, force: true });
    },
    find(scope, key) {
      const row = find(namespaceOf(scope), key);
      return row && toInfo(row);
    },
    stat: (scope, key) => toInfo(demand(scope, key)),
    update: (scope, given, paths) =>
      db.transaction(() => {
        const row = demand(scope, given.name);
        const labels = updateLabels(`snapshot "${given.name}"`, toLabels(row.labels), given.labels, paths);
        const now = clock.now();
        db.run("UPDATE snapshots SET labels = ?, updated_at = ? WHERE id = ?", fromLabels(labels), now, row.id);
        changed("mutation");
        return toInfo({ ...row, labels: fromLabels(labels), updated_at: now });
      }),
    list(scope, filters) {
      const matches = parseFilters(filters);
      const rows = db.all<Row>(`${SELECT} ORDER BY s.name`, namespaceOf(scope), layout.name);
      return rows.map(toInfo).filter((info) => matches((path) => fieldOf(info, path)));
    },
    async usage(scope, key) {
      const row = demand(scope, key);
      if (row.kind === "active") {
        checkDirectory(layout.ownDirectory(row.id), () => ownerOf(row.id));
        return diskUsage(layout.ownDirectory(row.id));
      }
      return { size: row.size, inodes: row.inodes };
    },
    directories: (scope, key) => layout.directories(stackOf(demand(scope, key))),
  };

  function checkCommit(scope: Scope, name: string, key: string, labels: Labels): Row {
    const namespace = namespaceOf(scope);
    checkLabels(labels);
    checkLease(db, scope);
    if (name === "") throw invalidArgument("snapshot name must not be empty");
    if (find(namespace, name)) throw alreadyExists("snapshot", name);
    const row = demand(scope, key);
    if (row.kind !== "active") throw failedPrecondition(`failed to commit snapshot: snapshot "${key}" is not active`);
    return row;
  }

  return { api, trash, discard };
}

const toInfo = (row: Row): SnapshotInfo => ({
  name: row.name,
  parent: row.parent_name ?? "",
  kind: row.kind,
  labels: toLabels(row.labels),
  createdAt: BigInt(row.created_at),
  updatedAt: BigInt(row.updated_at),
});

function fieldOf(info: SnapshotInfo, [first, ...rest]: readonly string[]): string | null {
  if (first === "kind") return info.kind;
  if (first === "name") return info.name;
  if (first === "parent") return info.parent;
  if (first === "labels") return labelField(info.labels, rest);
  return null;
}
