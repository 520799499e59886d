import { invalidArgument, messageOf } from "@berth/base";
import { parse, TomlError } from "smol-toml";
import { withFullNames, withMovedRegistry } from "./migrate.ts";
import { missedBelow } from "./missed.ts";
import { type Config, type Sections, sections } from "./sections.ts";
import { pathOf, type Table } from "./table.ts";

type Toml = Record<string, unknown>;

/** Versions of the file's form. 1 and files without one had other names for plugins. */
export const WRITTEN_VERSION = 3;
const OLDEST = 1;

export interface Loaded {
  readonly config: Config;
  /** Where it was read. */
  readonly file: string;
  /** One sentence for each key that was not understood or has no effect. */
  readonly warnings: readonly string[];
}

/** Reads a configuration. Throws invalid-argument that names the file and the TOML path. */
export function loadConfig(source: string, file: string): Loaded {
  let toml: Toml;
  try {
    toml = parse(source) as Toml;
  } catch (cause) {
    const at = cause instanceof TomlError ? `, line ${cause.line}, column ${cause.column}` : "";
    const why = (messageOf(cause).split("\n")[0] ?? "").replace("Invalid TOML document: ", "");
    throw invalidArgument(`${file}${at}: not TOML: ${why}`, { cause });
  }
  const version = toml.version ?? OLDEST;
  if (typeof version !== "number" || !Number.isInteger(version) || version > WRITTEN_VERSION || version < 0)
    throw invalidArgument(`${file}: version must be 1, 2 or 3, and is ${JSON.stringify(version)}`);
  const warnings: string[] = [];
  const renewed = withFullNames(toml, version);
  // A file without plugins, an empty one say, is the same in all versions.
  if (renewed !== toml) {
    warnings.push(
      "version 1 is an old form, which names plugins by their ids: berthd config migrate prints the new one",
    );
  }
  toml = withMovedRegistry(renewed, version);
  const known = new Set(["version"]);
  const values = Object.entries(sections).map(([name, section]) => {
    try {
      return [name, readTable(section, toml, known, warnings)];
    } catch (cause) {
      throw invalidArgument(`${file}: ${messageOf(cause)}`, { cause });
    }
  });
  warnAboutUnknown(toml, [], known, warnings);
  return { config: deepFreeze(Object.fromEntries(values)) as Config, file, warnings };
}

/** The configuration of a machine without a file. */
export const defaultConfig = (): Config => loadConfig(`version = ${WRITTEN_VERSION}`, "default").config;

function readTable(section: Table, toml: Toml, known: Set<string>, warnings: string[]): Record<string, unknown> {
  const given = tableAt(toml, section.place);
  known.add(pathOf(section.place));
  const values: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(section.fields)) {
    const path = pathOf([...section.place, field.name]);
    known.add(path);
    const value = given[field.name];
    values[key] = value === undefined ? field.fallback : field.read(value, path);
    if (field.ignored && value !== undefined && JSON.stringify(values[key]) !== JSON.stringify(field.fallback))
      warnings.push(`${path} has no effect here`);
  }
  return values;
}

function tableAt(toml: Toml, place: readonly string[]): Toml {
  let at: unknown = toml;
  for (const [depth, part] of place.entries()) {
    at = (at as Toml)[part];
    if (at === undefined) return {};
    if (!isTable(at)) throw invalidArgument(`${pathOf(place.slice(0, depth + 1))} must be a table`);
  }
  return at as Toml;
}

function warnAboutUnknown(at: Toml, place: readonly string[], known: ReadonlySet<string>, warnings: string[]): void {
  const sparse = Object.values<Table>(sections).find((one) => one.isSparse && pathOf(one.place) === pathOf(place));
  if (sparse !== undefined && Object.keys(at).some((key) => !known.has(pathOf([...place, key])))) {
    const names = Object.values(sparse.fields).map(({ name }) => name);
    warnings.push(`${pathOf(place)} is not known here, but for ${names.join(" and ")}`);
  }
  for (const [key, value] of Object.entries(at)) {
    const path = pathOf([...place, key]);
    const isPlace = path === "plugins" || known.has(path);
    if (!isPlace && sparse !== undefined) warnings.push(...missedBelow(value, [...place, key]));
    else if (!isPlace) warnings.push(`${path} is not known here`, ...missedBelow(value, [...place, key]));
    else if (isTable(value) && sectionAt([...place, key])) warnAboutUnknown(value, [...place, key], known, warnings);
  }
}

const sectionAt = (place: readonly string[]): boolean =>
  Object.values<Table>(sections).some((section) => pathOf(section.place).startsWith(pathOf(place)));

const isTable = (value: unknown): value is Toml =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}

export type { Sections };
