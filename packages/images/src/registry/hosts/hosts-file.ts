// hosts.toml: the servers of one registry, in the order of the file, and the registry itself at the end
// (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
import { invalidArgument, messageOf } from "@berth/base";
import { parse, TomlError } from "smol-toml";
import type { Source } from "../types.ts";
import type { Entry } from "./endpoint.ts";
import { optional, type Toml, table, text, unknownKeys } from "./fields.ts";
import { everything, type HostSettings, readSettings, settingKeys } from "./host-settings.ts";
import { below, type Place, sentence, sourceOf } from "./place.ts";
import { apiPath, parseServer, type Server } from "./server.ts";
import { tomlLines } from "./toml-lines.ts";

export interface Entries {
  readonly entries: readonly Entry[];
  /** One sentence for each thing that is written down and has no effect. */
  readonly warnings: readonly string[];
}

/** Of what nobody has written down. */
export const theDefault: Source = { file: "the default", line: 0 };

/** Throws invalid-argument with the file, the line and what is wanted there. containerd passes over such a file. */
export function parseHosts(source: string, file: string): Entries {
  const toml = parseToml(source, file);
  const top: Place = { file, path: [], lineOf: tomlLines(source) };
  const warnings = [...unknownKeys(toml, ["server", "host", ...settingKeys], top)];
  const entries = [...hostEntries(toml, top, warnings), serverEntry(toml, top, warnings)];
  return { entries, warnings };
}

function parseToml(source: string, file: string): Toml {
  try {
    return parse(source);
  } catch (cause) {
    const at = cause instanceof TomlError ? `, line ${cause.line}, column ${cause.column}` : "";
    const why = (messageOf(cause).split("\n")[0] ?? "").replace("Invalid TOML document: ", "");
    throw invalidArgument(`${file}${at}: not TOML: ${why}: correct it there`, { cause });
  }
}

/** Objects have keys that look like numbers first: the order is that of the lines. */
function hostEntries(toml: Toml, top: Place, warnings: string[]): readonly Entry[] {
  const hosts = optional(toml, "host", top, table) ?? {};
  return Object.entries(hosts)
    .map(([url, value]) => ({ url, value, place: below(top, "host", url) }))
    .sort((a, b) => sourceOf(a.place).line - sourceOf(b.place).line)
    .map(({ url, value, place }) => {
      const keys = table(value, place);
      warnings.push(...unknownKeys(keys, settingKeys, place));
      const settings = readSettings(keys, place);
      return { server: serverAt(url, settings, place, warnings), settings, source: sourceOf(place) };
    });
}

/** Without `server` it is the registry itself: as in containerd its TLS and headers count, and it is not restricted. */
function serverEntry(toml: Toml, top: Place, warnings: string[]): Entry {
  const settings = readSettings(toml, top);
  const written = optional(toml, "server", top, text) ?? "";
  if (written !== "") {
    const place = below(top, "server");
    return { server: serverAt(written, settings, place, warnings), settings, source: sourceOf(place) };
  }
  for (const key of ["capabilities", "override_path"])
    if (Object.hasOwn(toml, key)) warnings.push(sentence(below(top, key), "has no effect without server"));
  return { server: null, settings: { ...settings, capabilities: everything }, source: sourceOfSettings(toml, top) };
}

function serverAt(url: string, { overridePath }: HostSettings, place: Place, warnings: string[]): Server {
  const server = parseServer(url, place, warnings);
  return overridePath ? server : { ...server, path: apiPath(server.path) };
}

const connectionKeys = ["ca", "client", "skip_verify", "header", "dial_timeout"];

/** The first line that says how the registry is reached, if there is one. */
function sourceOfSettings(toml: Toml, top: Place): Source {
  const sources = connectionKeys
    .filter((key) => Object.hasOwn(toml, key))
    .map((key) => sourceOf(below(top, key)))
    .sort((a, b) => a.line - b.line);
  return sources[0] ?? theDefault;
}
