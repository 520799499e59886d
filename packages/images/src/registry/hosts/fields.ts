// Kinds of values in TOML. Each reader gets what it wants, or complains with the place of the value.
import { below, mustBe, type Place, sentence } from "./place.ts";

export type Toml = Readonly<Record<string, unknown>>;
export type Read<T> = (value: unknown, place: Place) => T;

export const text: Read<string> = (value, place) => {
  if (typeof value !== "string") throw mustBe(place, "a string", value);
  return value;
};

export const flag: Read<boolean> = (value, place) => {
  if (typeof value !== "boolean") throw mustBe(place, "true or false", value);
  return value;
};

export const table: Read<Toml> = (value, place) => {
  if (!isTable(value)) throw mustBe(place, "a table", value);
  return value;
};

export const texts: Read<readonly string[]> = (value, place) => {
  if (!isTexts(value)) throw mustBe(place, "a list of strings", value);
  return value;
};

export const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

const isTable = (value: unknown): value is Toml =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** null if the key is missing. */
export const optional = <T>(from: Toml, key: string, place: Place, read: Read<T>): T | null =>
  Object.hasOwn(from, key) && from[key] !== undefined ? read(from[key], below(place, key)) : null;

/** One warning for each key that has no effect: containerd passes over them as well. */
export const unknownKeys = (from: Toml, known: readonly string[], place: Place): readonly string[] =>
  Object.keys(from)
    .filter((key) => !known.includes(key))
    .map((key) => sentence(below(place, key), "is not known here, and has no effect"));
