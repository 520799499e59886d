import { checkLabels, invalidArgument, type Labels, withoutEmpty } from "@berth/base";

/** A map while it is updated through field paths. It is copied once: a request may name a hundred thousand keys. */
export interface MapUpdate {
  /** False where the path is about something else than the field (`labels`) or one of its keys (`labels.x`). */
  take(path: string): boolean;
  readonly value: Labels;
}

/** An empty value deletes its key. */
export function updateMap(field: string, stored: Labels, given: Labels): MapUpdate {
  let changed: Map<string, string> | null = null;
  return {
    take(path) {
      if (path === field) {
        changed = new Map(Object.entries(withoutEmpty(given)));
        return true;
      }
      if (!path.startsWith(`${field}.`)) return false;
      const key = path.slice(field.length + 1);
      const value = Object.hasOwn(given, key) ? (given[key] ?? "") : "";
      changed ??= new Map(Object.entries(withoutEmpty(stored)));
      if (value === "") changed.delete(key);
      else changed.set(key, value);
      return true;
    },
    get value() {
      return changed === null ? stored : Object.fromEntries(changed);
    },
  };
}

/** Labels after an update where labels are all that may change; `what` names the object in the error. */
export function updateLabels(what: string, stored: Labels, given: Labels, paths: readonly string[]): Labels {
  const labels = updateMap("labels", stored, given);
  for (const path of paths.length === 0 ? ["labels"] : paths)
    if (!labels.take(path)) throw invalidArgument(`cannot update "${path}" field${what && ` on ${what}`}`);
  checkLabels(labels.value);
  return labels.value;
}
