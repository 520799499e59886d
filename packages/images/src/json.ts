// Documents that others wrote. Each reader says what it wants and where it is, and gets it or invalid-argument. They are
// read as Go's encoding/json reads them, as all other tools do: keys in any case, null as the zero value of its type.
import { invalidArgument } from "@berth/base";
import { parseBounded } from "./bounded-json.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** A document that is an object. */
export const parseJson = async (bytes: Uint8Array, what: string): Promise<JsonObject> =>
  objectOf(await parseBounded(bytes, what), what);

export function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidArgument(`${what} is not an object`);
  return value as JsonObject;
}

/** A field, own properties only; the last of those whose names differ in their case only. */
export function member(object: JsonObject, key: string): unknown {
  const wanted = key.toLowerCase();
  let found: unknown;
  for (const name of Object.keys(object))
    if (name.length === key.length && name.toLowerCase() === wanted) found = object[name];
  return found;
}

/** A member that may be missing or null (Go writes nil maps and slices so): then it is empty. */
export function optionalObject(object: JsonObject, key: string, what: string): JsonObject {
  const value = member(object, key);
  return value === undefined || value === null ? {} : objectOf(value, `${key} of ${what}`);
}

export function listOf(object: JsonObject, key: string, what: string): readonly unknown[] {
  const value = member(object, key);
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidArgument(`${key} of ${what} is not a list`);
  return value;
}

export function stringsOf(object: JsonObject, key: string, what: string): readonly string[] {
  return listOf(object, key, what).map((item) => {
    if (item === null) return "";
    if (typeof item !== "string") throw invalidArgument(`${key} of ${what} is not a list of strings`);
    return item;
  });
}

/** Empty where it is missing. */
export function stringOf(object: JsonObject, key: string, what: string): string {
  const value = member(object, key);
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw invalidArgument(`${key} of ${what} is not a string`);
  return value;
}

export function stringMapOf(object: JsonObject, key: string, what: string): Readonly<Record<string, string>> {
  const entries = Object.entries(optionalObject(object, key, what)).map(([name, value]) => {
    if (value !== null && typeof value !== "string")
      throw invalidArgument(`${name.slice(0, 200)} in ${key} of ${what} is not a string`);
    return [name, value ?? ""] as const;
  });
  return Object.fromEntries(entries);
}

/** A field that must be there, of a program of our own. */
export function fieldOf(object: JsonObject, key: string, type: "string"): string;
export function fieldOf(object: JsonObject, key: string, type: "number"): number;
export function fieldOf(object: JsonObject, key: string, type: "string" | "number"): string | number {
  const value = member(object, key);
  if (typeof value !== type) throw invalidArgument(`${key} is missing in the answer of berth-unpack`);
  return value as string | number;
}
