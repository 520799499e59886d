import type { Field } from "./field.ts";

// biome-ignore lint/suspicious/noExplicitAny: fields of any value; each is read and written by itself
type AnyField = Field<any>;
export type Fields = Readonly<Record<string, AnyField>>;

/** A TOML table: its place, and its keys with their types and defaults. */
export interface Table<F extends Fields = Fields> {
  /** `["plugins", "io.containerd.gc.v1.scheduler"]`; empty is the top. */
  readonly place: readonly string[];
  readonly fields: F;
  /** Most keys that containerd has there are not known here: one word on all of them is enough. */
  readonly isSparse: boolean;
}

export type Values<T extends Table> = {
  readonly [K in keyof T["fields"]]: T["fields"][K] extends Field<infer V> ? V : never;
};

export const table = <F extends Fields>(place: readonly string[], fields: F): Table<F> => ({
  place,
  fields,
  isSparse: false,
});

export const sparseTable = <F extends Fields>(place: readonly string[], fields: F): Table<F> => ({
  ...table(place, fields),
  isSparse: true,
});

/** `plugins."io.containerd.gc.v1.scheduler".startup_delay` */
export const pathOf = (place: readonly string[]): string =>
  place.map((part) => (/^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part))).join(".");
