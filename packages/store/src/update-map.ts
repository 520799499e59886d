import { checkLabels, invalidArgument, type Labels, withoutEmpty } from "@berth/base";

/**
 * The map after an update through field paths that name it (`labels`) or one of its keys (`labels.x`).
 * Null where the path is about something else. An empty value deletes its key.
 */
export function updateMap(field: string, stored: Labels, given: Labels, path: string): Record<string, string> | null {
  if (path === field) return withoutEmpty(given);
  if (!path.startsWith(`${field}.`)) return null;
  const key = path.slice(field.length + 1);
  return withoutEmpty({ ...stored, [key]: Object.hasOwn(given, key) ? (given[key] ?? "") : "" });
}

/** Labels after an update where labels are all that may change; `what` names the object in the error. */
export function updateLabels(what: string, stored: Labels, given: Labels, paths: readonly string[]): Labels {
  let labels = stored;
  for (const path of paths.length === 0 ? ["labels"] : paths) {
    const next = updateMap("labels", labels, given, path);
    if (next === null) throw invalidArgument(`cannot update "${path}" field${what && ` on ${what}`}`);
    labels = next;
  }
  checkLabels(labels);
  return labels;
}
