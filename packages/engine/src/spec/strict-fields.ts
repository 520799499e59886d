// Reads a JSON document of which nothing may be passed over: an unknown member or a value of another type is refused
// with its path, `syscalls[2].args[0].index`.
import { invalidArgument } from "@berth/base";

/** Reads one value; `undefined` is an absent one. Throws invalid-argument that begins with the path. */
export type Read<T> = (value: unknown, path: string) => T;

type Shape = Readonly<Record<string, Read<unknown>>>;
type ObjectOf<S extends Shape> = { readonly [K in keyof S]: ReturnType<S[K]> };

const shown = (value: unknown): string =>
  typeof value === "bigint" ? String(value) : (JSON.stringify(value)?.slice(0, 60) ?? "missing");

const wrong = (path: string, wanted: string, value: unknown) =>
  invalidArgument(`${path} must be ${wanted}, and is ${shown(value)}`);

/** An object with these members and no others. */
export function object<S extends Shape>(shape: S): Read<ObjectOf<S>> {
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(path, "an object", value);
    const at = (key: string) => (path === "" ? key : `${path}.${key}`);
    for (const key of Object.keys(value)) {
      if (Object.hasOwn(shape, key)) continue;
      throw invalidArgument(`${at(key)} is not known: the fields here are ${Object.keys(shape).join(", ")}`);
    }
    const members = value as Readonly<Record<string, unknown>>;
    const read = Object.entries(shape).map(([key, member]) => [
      key,
      member(Object.hasOwn(members, key) ? members[key] : undefined, at(key)),
    ]);
    return Object.fromEntries(read) as ObjectOf<S>;
  };
}

/** null if missing, or if the document says null. */
export const optional =
  <T>(read: Read<T>): Read<T | null> =>
  (value, path) =>
    value === undefined || value === null ? null : read(value, path);

/** Empty if missing or null. */
export const list =
  <T>(item: Read<T>): Read<readonly T[]> =>
  (value, path) => {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw wrong(path, "a list", value);
    return value.map((each, index) => item(each, `${path}[${index}]`));
  };

export const text: Read<string> = (value, path) => {
  if (typeof value !== "string") throw wrong(path, "a string", value);
  return value;
};

/** A string of this form; `wanted` says which in words. */
export const matching =
  (form: RegExp, wanted: string): Read<string> =>
  (value, path) => {
    if (typeof value !== "string" || !form.test(value)) throw wrong(path, wanted, value);
    return value;
  };

export const oneOf =
  <const T extends string>(words: readonly T[]): Read<T> =>
  (value, path) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw wrong(path, `one of ${words.join(", ")}`, value);
    return found;
  };

/** A whole number; a bigint only if it is beyond 2^53. */
export const integer =
  (least: number, most: number | bigint): Read<number | bigint> =>
  (value, path) => {
    const whole = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    if (!whole || value < least || value > most) throw wrong(path, `a whole number from ${least} to ${most}`, value);
    return value;
  };
