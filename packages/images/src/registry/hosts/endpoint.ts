// From a server in a configuration to the endpoints that are tried for it.
import type { Capability, Credentials, Endpoint, Source } from "../types.ts";
import type { HostSettings } from "./host-settings.ts";
import { isLoopback, isOwnHost, ownServer, portOf, type Server } from "./server.ts";

export interface Entry {
  /** null: the registry itself, where nobody has said where it is. */
  readonly server: Server | null;
  readonly settings: HostSettings;
  readonly source: Source;
}

/** What all endpoints have. */
export interface Common {
  readonly headers: Endpoint["headers"];
  /** How a registry is spoken to of which nothing says that; "" for https. */
  readonly scheme: "" | "http" | "https";
  /** By the host's name as it was written. */
  readonly credentialsOf: (host: string) => Credentials | null;
}

/** The endpoints of a registry's entries in their order, none asked twice for the same. */
export function endpointsOf(registry: string, entries: readonly Entry[], common: Common): readonly Endpoint[] {
  return withoutRepeats(entries.flatMap((entry) => endpointsOfEntry(registry, entry, common)));
}

function endpointsOfEntry(registry: string, { server, settings, source }: Entry, common: Common): Endpoint[] {
  const { host, path, scheme } = server ?? withScheme(ownServer(registry), common.scheme);
  return attemptsAt(scheme, host, settings).map((attempt) => ({
    url: `${attempt.scheme}://${host}${path}`,
    host,
    namespace: isOwnHost(registry, host) ? "" : registry,
    capabilities: settings.capabilities,
    tls: { ca: settings.ca, client: settings.client, skipVerify: attempt.skipVerify },
    headers: joined(common.headers, settings.headers),
    dialTimeoutMs: settings.dialTimeoutMs,
    credentials: common.credentialsOf(host),
    source,
  }));
}

/** As in containerd, docker.io is always asked by https, and a loopback address as it answers. */
const withScheme = (server: Server, scheme: Common["scheme"]): Server =>
  scheme === "" || isLoopback(server.host) || server.host === "registry-1.docker.io" ? server : { ...server, scheme };

interface Attempt {
  readonly scheme: "http" | "https";
  readonly skipVerify: boolean;
}

/**
 * As in containerd (core/remotes/docker/config/hosts.go): an http server with settings for TLS is tried with https first,
 * and so is a loopback address without a scheme, whose certificate is not verified; port 80 is http and nothing else.
 * containerd overrides `skip_verify = false` for such an address; here it is respected.
 */
function attemptsAt(scheme: Server["scheme"], host: string, settings: HostSettings): readonly Attempt[] {
  const { ca, client, skipVerify } = settings;
  const port = portOf(host);
  const https: Attempt = { scheme: "https", skipVerify: skipVerify ?? (scheme === null && isLoopback(host)) };
  const http: Attempt = { scheme: "http", skipVerify: false };
  if (scheme === "https" || (scheme === null && !isLoopback(host))) return [https];
  if (port === "80") return [http];
  if (scheme === null) return port === "" || port === "443" ? [https] : [https, http];
  return ca.length > 0 || client.length > 0 || skipVerify !== null ? [https, http] : [http];
}

/** Values of both, the general ones first. */
function joined(general: Endpoint["headers"], own: Endpoint["headers"]): Endpoint["headers"] {
  const values = new Map(Object.entries(general));
  for (const [name, more] of Object.entries(own)) values.set(name, [...(values.get(name) ?? []), ...more]);
  return Object.fromEntries(values);
}

/** A server that comes again, reached in the same way, keeps what it was not asked for before. */
function withoutRepeats(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const asked = new Map<string, Set<Capability>>();
  return endpoints.flatMap((endpoint) => {
    const { url, tls, headers, dialTimeoutMs, capabilities } = endpoint;
    const key = JSON.stringify([url, tls, headers, dialTimeoutMs]);
    const before = asked.get(key) ?? new Set();
    const left = [...capabilities].filter((capability) => !before.has(capability));
    asked.set(key, new Set([...before, ...left]));
    return left.length === 0 ? [] : [{ ...endpoint, capabilities: new Set(left) }];
  });
}
