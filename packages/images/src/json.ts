// Documents that others wrote. Each reader says what it wants and where it is, and gets it or invalid-argument.
import { invalidArgument } from "@berth/base";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Any document; `what` names it in errors. */
export function parseJsonValue(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalidArgument(`${what} is not valid JSON`, { cause });
  }
}

/** A document that is an object. */
export const parseJson = (bytes: Uint8Array, what: string): JsonObject => objectOf(parseJsonValue(bytes, what), what);

export function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidArgument(`${what} is not an object`);
  return value as JsonObject;
}

/** A field, own properties only. */
const own = (object: JsonObject, key: string): unknown => (Object.hasOwn(object, key) ? object[key] : undefined);

/** A member that may be missing or null (Go writes nil maps and slices so): then it is empty. */
export function optionalObject(object: JsonObject, key: string, what: string): JsonObject {
  const value = own(object, key);
  return value === undefined || value === null ? {} : objectOf(value, `${key} of ${what}`);
}

export function listOf(object: JsonObject, key: string, what: string): readonly unknown[] {
  const value = own(object, key);
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidArgument(`${key} of ${what} is not a list`);
  return value;
}

export function stringsOf(object: JsonObject, key: string, what: string): readonly string[] {
  const list = listOf(object, key, what);
  if (!list.every((item) => typeof item === "string"))
    throw invalidArgument(`${key} of ${what} is not a list of strings`);
  return list;
}

/** Empty where it is missing. */
export function stringOf(object: JsonObject, key: string, what: string): string {
  const value = own(object, key);
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw invalidArgument(`${key} of ${what} is not a string`);
  return value;
}

export function stringMapOf(object: JsonObject, key: string, what: string): Readonly<Record<string, string>> {
  const entries = Object.entries(optionalObject(object, key, what));
  for (const [name, value] of entries)
    if (typeof value !== "string") throw invalidArgument(`${name} in ${key} of ${what} is not a string`);
  return Object.fromEntries(entries) as Record<string, string>;
}

/** A field that must be there, of a program of our own. */
export function fieldOf(object: JsonObject, key: string, type: "string"): string;
export function fieldOf(object: JsonObject, key: string, type: "number"): number;
export function fieldOf(object: JsonObject, key: string, type: "string" | "number"): string | number {
  const value = own(object, key);
  if (typeof value !== type) throw invalidArgument(`${key} is missing in the answer of berth-unpack`);
  return value as string | number;
}
