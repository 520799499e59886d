// The directory that configures a registry: which of several it is, and what it says, in hosts.toml or, without one, by
// certificates as docker has them.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { invalidArgument } from "@berth/base";
import { defaultSettings } from "./host-settings.ts";
import { type Entries, parseHosts, theDefault } from "./hosts-file.ts";
import type { Place } from "./place.ts";
import { kindOfPath, readTextFile, unreadable } from "./read-file.ts";
import { portOf } from "./server.ts";

/** What the first of the roots that knows a registry says of it; the registry alone if none does. */
export async function readHostDirectory(roots: readonly string[], registry: string): Promise<Entries> {
  const directory = await findDirectory(roots, registry);
  if (directory === null)
    return { entries: [{ server: null, settings: defaultSettings, source: theDefault }], warnings: [] };
  const file = join(directory, "hosts.toml");
  const text = await readTextFile(file);
  // An empty file is as none, in containerd as well.
  return text === null || text === "" ? await certificatesIn(directory) : parseHosts(text, file);
}

/** A root's `_default` comes before the next root. */
async function findDirectory(roots: readonly string[], registry: string): Promise<string | null> {
  for (const root of roots)
    for (const name of namesOf(registry)) {
      const path = join(root, name);
      const kind = await kindOfPath(path);
      if (kind === "directory") return path;
      if (kind !== null) throw invalidArgument(`${path} is not a directory: make one with a hosts.toml in it`);
    }
  return null;
}

/** Some file systems have no colons: a port may be between underscores. */
function namesOf(registry: string): readonly string[] {
  const port = portOf(registry);
  const host = registry.slice(0, registry.length - port.length - 1);
  return port === "" ? [registry, "_default"] : [`${host}_${port}_`, registry, "_default"];
}

/** `*.crt` are authorities, `*.cert` are client certificates, each with the key in `*.key` or in its own file. */
async function certificatesIn(directory: string): Promise<Entries> {
  const files = await filesIn(directory);
  const pathsOf = (ending: string): string[] =>
    files.filter((name) => name.endsWith(ending)).map((name) => join(directory, name));
  const ca = pathsOf(".crt");
  const keys = new Set(pathsOf(".key"));
  const client = pathsOf(".cert").map((certificate) => {
    const key = certificate.replace(/\.cert$/, ".key");
    return { certificate, key: keys.has(key) ? key : "" };
  });
  const place: Place = { file: directory, path: [], lineOf: () => 0 };
  const named = [...ca, ...client.flatMap(({ certificate, key }) => (key === "" ? [certificate] : [certificate, key]))];
  const settings = { ...defaultSettings, ca, client, files: named.map((path) => ({ path, place })) };
  return { entries: [{ server: null, settings, source: { file: directory, line: 0 } }], warnings: [] };
}

async function filesIn(directory: string): Promise<readonly string[]> {
  try {
    const found = await readdir(directory, { withFileTypes: true });
    return found
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    throw unreadable(directory, error);
  }
}
