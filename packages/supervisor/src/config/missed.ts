import { pathOf } from "./table.ts";

/** Keys of plugins that are not here, whose absence a user would notice only later: a word on each that is set. */
const missed: readonly { readonly key: string; readonly why: string }[] = [
  { key: "SystemdCgroup", why: "runtimes take it from each container's options" },
];

/** One sentence for each such key below a table that is not known. */
export function missedBelow(value: unknown, place: readonly string[]): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const found = missed.find((one) => one.key === key);
    if (found !== undefined && !isUnset(inner)) return [`${pathOf([...place, key])} has no effect here: ${found.why}`];
    return missedBelow(inner, [...place, key]);
  });
}

const isUnset = (value: unknown): boolean =>
  value === false || value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
