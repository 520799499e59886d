// The tables of containerd's CRI plugin that were there before hosts.toml: registry.mirrors, registry.configs and
// registry.headers (https://github.com/containerd/containerd/blob/main/docs/cri/registry.md).
import { resolve } from "node:path";
import type { Capability, Credentials } from "../types.ts";
import { readAuth } from "./credentials.ts";
import type { Common, Entry } from "./endpoint.ts";
import { flag, optional, type Read, type Toml, table, text, texts, unknownKeys } from "./fields.ts";
import { defaultSettings, everything, type HostSettings, headers } from "./host-settings.ts";
import { theDefault } from "./hosts-file.ts";
import { below, type Place, sourceOf, wrong } from "./place.ts";
import { isOwnHost, ownServer, parseServer, type Server } from "./server.ts";
import type { RegistrySettings, Setting } from "./settings.ts";

export interface Tables {
  /** Its mirrors, and the registry at the end unless it is among them. */
  readonly entriesOf: (registry: string) => readonly Entry[];
  readonly common: Omit<Common, "scheme">;
  readonly warnings: readonly string[];
}

type Listed = Entry & { readonly server: Server };

interface HostConfig {
  readonly credentials: Credentials | null;
  readonly settings: HostSettings;
}

/** What a server may be asked that has the images of others. */
export const mirrorCapabilities: ReadonlySet<Capability> = new Set(["pull", "resolve", "referrers"]);

/** Throws invalid-argument with the place of what is wrong. */
export function readTables(settings: RegistrySettings): Tables {
  const warnings: string[] = [];
  const mirrors = readMirrors(settings.mirrors, settings.configPath.value, warnings);
  const configs = readConfigs(settings.configs, settings.configPath.value, warnings);
  const configOf = (host: string): HostConfig | undefined =>
    configs.get(host) ?? (isOwnHost("docker.io", host) ? configs.get("docker.io") : undefined);
  const settingsOf = (host: string): HostSettings => configOf(host)?.settings ?? defaultSettings;

  return {
    entriesOf(registry) {
      const listed = (mirrors.get(registry) ?? mirrors.get("*") ?? []).map((entry) => {
        const capabilities = isOwnHost(registry, entry.server.host) ? everything : mirrorCapabilities;
        return { ...entry, settings: { ...settingsOf(entry.server.host), capabilities } };
      });
      if (listed.some(({ server }) => isOwnHost(registry, server.host))) return listed;
      return [...listed, { server: null, settings: settingsOf(ownServer(registry).host), source: theDefault }];
    },
    common: {
      headers: headers(settings.headers.value ?? {}, placeOf(settings.headers, "headers")),
      credentialsOf: (host) => configOf(host)?.credentials ?? null,
    },
    warnings,
  };
}

const placeOf = ({ source: { file, line } }: Setting<unknown>, name: string): Place => ({
  file,
  path: ["registry", name],
  lineOf: () => line,
});

/** By registry, `*` for all that are not named. */
function readMirrors(
  setting: Setting<unknown>,
  configPath: string,
  warnings: string[],
): ReadonlyMap<string, readonly Listed[]> {
  const place = placeOf(setting, "mirrors");
  const mirrors = Object.entries(table(setting.value ?? {}, place));
  if (mirrors.length > 0 && configPath !== "") throw besideConfigPath(place, configPath);
  return new Map(
    mirrors.map(([registry, value]) => {
      const mirror = table(value, below(place, registry));
      warnings.push(...unknownKeys(mirror, ["endpoint"], below(place, registry)));
      const at = below(place, registry, "endpoint");
      const addresses = optional(mirror, "endpoint", below(place, registry), texts) ?? [];
      return [registry, addresses.map((address) => listedAt(address, at, warnings))];
    }),
  );
}

/** Unlike in hosts.toml a path is taken as it is. */
function listedAt(address: string, place: Place, warnings: string[]): Listed {
  const server = parseServer(address, place, warnings);
  return {
    server: { ...server, path: server.path === "" ? "/v2" : server.path },
    settings: defaultSettings,
    source: sourceOf(place),
  };
}

function readConfigs(
  setting: Setting<unknown>,
  configPath: string,
  warnings: string[],
): ReadonlyMap<string, HostConfig> {
  const place = placeOf(setting, "configs");
  return new Map(
    Object.entries(table(setting.value ?? {}, place)).map(([host, value]) => {
      const at = below(place, host);
      const config = table(value, at);
      warnings.push(...unknownKeys(config, ["auth", "tls"], at));
      if (Object.hasOwn(config, "tls") && configPath !== "") throw besideConfigPath(below(at, "tls"), configPath);
      const credentials = optional(config, "auth", at, (auth, where) => readAuth(auth, where, warnings));
      const settings = optional(config, "tls", at, (tls, where) => readTls(table(tls, where), where, warnings));
      return [host, { credentials, settings: settings ?? defaultSettings }];
    }),
  );
}

function readTls(tls: Toml, place: Place, warnings: string[]): HostSettings {
  warnings.push(...unknownKeys(tls, ["insecure_skip_verify", "ca_file", "cert_file", "key_file"], place));
  const ca = optional(tls, "ca_file", place, path) ?? "";
  const certificate = optional(tls, "cert_file", place, path) ?? "";
  const key = optional(tls, "key_file", place, path) ?? "";
  if ((certificate === "") !== (key === "")) throw wrong(place, "must have both of cert_file and key_file, or neither");
  const named = { ca_file: ca, cert_file: certificate, key_file: key };
  return {
    ...defaultSettings,
    ca: ca === "" ? [] : [ca],
    client: certificate === "" ? [] : [{ certificate, key }],
    skipVerify: optional(tls, "insecure_skip_verify", place, flag),
    files: Object.entries(named).flatMap(([name, file]) =>
      file === "" ? [] : [{ path: file, place: below(place, name) }],
    ),
  };
}

/** "" is none. */
const path: Read<string> = (value, place) => {
  const written = text(value, place);
  if (written.includes("\0")) throw wrong(place, "must be the path of a file");
  return written === "" ? "" : resolve(written);
};

const besideConfigPath = (place: Place, configPath: string) =>
  wrong(
    place,
    `cannot be set together with registry.config_path: write it into hosts.toml files below ${configPath}, and remove it`,
  );
