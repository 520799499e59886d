/** The value of a field, or null where the object has none. */
export type Adaptor = (fieldpath: readonly string[]) => string | null;

/** Whether the object behind the adaptor is wanted. */
export type Matcher = (adaptor: Adaptor) => boolean;

export function parseFilters(_filters: readonly string[]): Matcher {
  throw new Error("not there yet");
}
