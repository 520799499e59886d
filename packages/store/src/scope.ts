import { BerthError, checkId, failedPrecondition } from "@berth/base";
import type { Database } from "./database.ts";
import type { Scope } from "./types.ts";

/** The caller's namespace. Throws failed-precondition for none, invalid-argument for a malformed one. */
export function namespaceOf(scope: Pick<Scope, "namespace">): string {
  if (scope.namespace === "") throw failedPrecondition("namespace is required");
  return checkId("namespace", scope.namespace);
}

/** Makes the namespace if it is missing: writing into one creates it. */
export function enterNamespace(db: Database, scope: Pick<Scope, "namespace">): string {
  const namespace = namespaceOf(scope);
  db.run("INSERT OR IGNORE INTO namespaces (name, labels) VALUES (?, '{}')", namespace);
  return namespace;
}

/** Throws not-found where the scope names a lease that is not there. */
export function checkLease(db: Database, scope: Scope): void {
  if (scope.lease === "") return;
  if (db.get("SELECT 1 FROM leases WHERE namespace = ? AND id = ?", scope.namespace, scope.lease)) return;
  throw new BerthError("not-found", `lease ${JSON.stringify(scope.lease)} does not exist: not found`);
}

/** Attaches what was made to the lease of the scope, if it names one. */
export function attachToLease(db: Database, scope: Scope, type: string, id: string): void {
  if (scope.lease === "") return;
  checkLease(db, scope);
  db.run(
    "INSERT OR IGNORE INTO lease_resources (namespace, lease, type, id) VALUES (?, ?, ?, ?)",
    scope.namespace,
    scope.lease,
    type,
    id,
  );
}

/** Detaches what is gone from the lease of the scope. */
export function detachFromLease(db: Database, scope: Scope, type: string, id: string): void {
  if (scope.lease === "") return;
  db.run(
    "DELETE FROM lease_resources WHERE namespace = ? AND lease = ? AND type = ? AND id = ?",
    scope.namespace,
    scope.lease,
    type,
    id,
  );
}
