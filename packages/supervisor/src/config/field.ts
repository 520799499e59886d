// Kinds of configuration values: how each is read from TOML, with a complaint that names its place, and
// how it is written back.
import { formatGoDuration, invalidArgument, parseGoDuration } from "@berth/base";

export interface Field<T> {
  /** As in TOML. */
  readonly name: string;
  readonly fallback: T;
  /** Throws invalid-argument that names `path`. */
  read(value: unknown, path: string): T;
  write(value: T): unknown;
  /** Understood, and without an effect here: worth a word where it is set to something else. */
  readonly ignored: boolean;
}

const wrong = (path: string, wanted: string, value: unknown) =>
  invalidArgument(`${path} must be ${wanted}, and is ${JSON.stringify(value, bigints)?.slice(0, 80)}`);

const bigints = (_key: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);

function field<T>(
  name: string,
  fallback: T,
  read: Field<T>["read"],
  write: Field<T>["write"] = (value) => value,
): Field<T> {
  return { name, fallback, read, write, ignored: false };
}

export const text = (name: string, fallback: string): Field<string> =>
  field(name, fallback, (value, path) => {
    if (typeof value !== "string") throw wrong(path, "a string", value);
    return value;
  });

export const flag = (name: string, fallback: boolean): Field<boolean> =>
  field(name, fallback, (value, path) => {
    if (typeof value !== "boolean") throw wrong(path, "true or false", value);
    return value;
  });

export const integer = (name: string, fallback: number, min: number, max: number): Field<number> =>
  field(name, fallback, (value, path) => {
    if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(path, "an integer", value);
    if (value < min || value > max) throw wrong(path, `from ${min} to ${max}`, value);
    return value;
  });

export const fraction = (name: string, fallback: number, max: number): Field<number> =>
  field(name, fallback, (value, path) => {
    if (typeof value !== "number" || Number.isNaN(value)) throw wrong(path, "a number", value);
    if (value < 0 || value > max) throw wrong(path, `from 0 to ${max}`, value);
    return value;
  });

/** A Go duration in TOML, milliseconds here. */
export const duration = (name: string, fallback: string): Field<number> => {
  const parse = (value: unknown, path: string): number => {
    const ms = typeof value === "string" ? parseGoDuration(value) : null;
    if (ms === null || ms < 0) throw wrong(path, 'a duration such as "100ms" or "5s"', value);
    return ms;
  };
  return field(name, parse(fallback, name), parse, formatGoDuration);
};

export const choice = <const T extends string>(name: string, fallback: NoInfer<T>, choices: readonly T[]): Field<T> =>
  field<T>(name, fallback, (value, path) => {
    const found = choices.find((one) => one === value);
    if (found === undefined) throw wrong(path, choices.map((one) => JSON.stringify(one)).join(" or "), value);
    return found;
  });

export const texts = (name: string, fallback: readonly string[]): Field<readonly string[]> =>
  field(name, fallback, (value, path) => {
    if (!Array.isArray(value) || value.some((item) => typeof item !== "string"))
      throw wrong(path, "a list of strings", value);
    return value as string[];
  });

/** Strings by name. */
export const textMap = (name: string): Field<Readonly<Record<string, string>>> =>
  field(name, {}, (value, path) => {
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isTable || Object.values(value).some((item) => typeof item !== "string"))
      throw wrong(path, "a table of strings", value);
    return { ...(value as Record<string, string>) };
  });

/** A table that is read by whom it is for. */
export const anyTable = (name: string): Field<Readonly<Record<string, unknown>>> =>
  field(name, {}, (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date)
      throw wrong(path, "a table", value);
    return structuredClone(value as Record<string, unknown>);
  });

/** A key of containerd's that has no effect here. */
export const withoutEffect = <T>(made: Field<T>): Field<T> => ({ ...made, ignored: true });
