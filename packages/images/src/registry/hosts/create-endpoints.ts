// From the configuration of registries to the servers that are asked for an image.
import { resolve } from "node:path";
import { invalidArgument } from "@berth/base";
import type { EndpointsOf, Source } from "../types.ts";
import { checkFiles } from "./check-files.ts";
import { type Common, type Entry, endpointsOf } from "./endpoint.ts";
import { readHostDirectory } from "./host-directory.ts";
import { defaultSettings } from "./host-settings.ts";
import type { Entries } from "./hosts-file.ts";
import { mustBe, type Place } from "./place.ts";
import { apiPath, isHost, isLoopback, parseServer, type Server } from "./server.ts";
import { type Explanation, noWishes, type RegistrySettings, type RegistryWishes, type Setting } from "./settings.ts";
import { mirrorCapabilities, readTables } from "./tables.ts";

/** As `createExplain`, the endpoints alone. */
export function createEndpoints(settings: RegistrySettings): EndpointsOf {
  const explain = createExplain(settings);
  return async (registry) => (await explain(registry)).endpoints;
}

/**
 * The settings are checked at once; hosts.toml files are read at each call, so that a change has effect without a
 * restart. Both throw invalid-argument (failed-precondition for what cannot be read) with one sentence: file, line, key,
 * and what is wanted there.
 */
export function createExplain(
  settings: RegistrySettings,
): (registry: string, wishes?: RegistryWishes) => Promise<Explanation> {
  const roots = readRoots(settings.configPath);
  const tables = readTables(settings);
  const mirror = readMirror(settings.mirror);

  /** All that is configured for a registry, but the mirror. */
  async function entriesOf(registry: string): Promise<Entries> {
    if (roots.length === 0) return { entries: tables.entriesOf(registry), warnings: [] };
    return await readHostDirectory(roots, registry);
  }

  /**
   * The mirror of all registries, with the TLS settings and headers that its own host has. A loopback registry is this
   * machine's: what another machine has by that name is something else.
   */
  async function mirrorFor(registry: string): Promise<Entries> {
    if (mirror === null || isLoopback(registry)) return { entries: [], warnings: [] };
    const { server, source, warnings } = mirror;
    const own = (await entriesOf(server.host)).entries.findLast((entry) => isAbout(entry, server.host));
    const entry = {
      server,
      source,
      settings: { ...(own?.settings ?? defaultSettings), capabilities: mirrorCapabilities },
    };
    return { entries: [entry], warnings };
  }

  return async (registry, wishes = noWishes) => {
    if (wishes.hostDirectory !== "")
      return await createExplain(within(wishes.hostDirectory))(registry, { ...wishes, hostDirectory: "" });
    if (!isHost(registry))
      throw invalidArgument(
        `registry ${JSON.stringify(registry.slice(0, 300))} is not the name of a host: write it as docker.io or localhost:5000`,
      );
    const lists = [await mirrorFor(registry), await entriesOf(registry)];
    const entries = lists.flatMap((list) => list.entries);
    await checkFiles(entries.map((entry) => entry.settings));
    return {
      endpoints: endpointsOf(registry, entries, withWishes(tables.common, wishes)),
      warnings: [...tables.warnings, ...lists.flatMap((list) => list.warnings)],
    };
  };
}

/** The caller's headers come in the place of those that are sent to all. */
function withWishes(common: Omit<Common, "scheme">, { headers, scheme }: RegistryWishes): Common {
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value]]);
  return { ...common, headers: { ...common.headers, ...Object.fromEntries(own) }, scheme };
}

/** Settings that are in a caller's directory alone. */
function within(directory: string): RegistrySettings {
  const source = { file: "the caller's directory of hosts", line: 0 };
  const none = { value: undefined, source };
  return { configPath: { value: directory, source }, mirrors: none, configs: none, headers: none, mirror: null };
}

function readRoots({ value, source }: Setting<string>): readonly string[] {
  const place: Place = { file: source.file, path: ["registry", "config_path"], lineOf: () => source.line };
  if (value.includes("\0")) throw mustBe(place, "a list of directories, parted by colons", value);
  return value
    .split(":")
    .filter((root) => root !== "")
    .map((root) => resolve(root));
}

const isAbout = ({ server }: Entry, host: string): boolean => server === null || server.host === host;

interface Mirror {
  readonly server: Server;
  readonly source: Source;
  readonly warnings: readonly string[];
}

function readMirror(setting: Setting<string> | null): Mirror | null {
  if (setting === null || setting.value === "") return null;
  const { value, source } = setting;
  const place: Place = { file: source.file, path: [], lineOf: () => source.line };
  const warnings: string[] = [];
  const server = parseServer(value, place, warnings);
  return { server: { ...server, path: apiPath(server.path) }, source, warnings };
}
