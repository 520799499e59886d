// Addresses of servers in a configuration, and what a host without one means.
import { BlockList, isIP } from "node:net";
import { posix } from "node:path";
import { mustBe, type Place, sentence } from "./place.ts";

export interface Server {
  /** null where it was not written: then the host decides (endpoint.ts). */
  readonly scheme: "http" | "https" | null;
  /** As it was written: `mirror.example:443` keeps its port, which is part of the name that credentials have. */
  readonly host: string;
  /** Without a slash at its end; "" for the root. */
  readonly path: string;
}

const shape = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:([^/?#]*)@)?([^/?#@]*)([^?#]*)([?#].*)?$/is;
const hostShape = /^(?:[\p{L}\p{N}][\p{L}\p{N}._-]*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/iu;
const pathShape = /^[^\s\\]*$/;

/** A host name or address with or without a port. */
export const isHost = (text: string): boolean => hostShape.test(text) && URL.canParse(`https://${text}`);

/**
 * `https://mirror.example:5000/path`, or without a scheme. As in containerd its user, query and fragment have no effect:
 * a warning is added for them. Throws invalid-argument.
 */
export function parseServer(text: string, place: Place, warnings: string[]): Server {
  const [, scheme = null, user, host = "", path = "", rest = ""] = shape.exec(text) ?? [];
  const known = scheme === null ? null : httpScheme(scheme);
  if (known === undefined || !isHost(host) || !pathShape.test(path))
    throw mustBe(place, "the address of a server such as https://mirror.example:5000", text);
  if (user !== undefined) warnings.push(sentence(place, "has a user, which has no effect: log in to the host instead"));
  if (rest !== "") warnings.push(sentence(place, "has a query or a fragment, which has no effect"));
  return { scheme: known, host, path: posix.join("/", path).replace(/\/$/, "") };
}

function httpScheme(scheme: string): Server["scheme"] | undefined {
  const lower = scheme.toLowerCase();
  return lower === "http" || lower === "https" ? lower : undefined;
}

/** The root of the distribution API: `/v2` is added to what does not end with it. */
export const apiPath = (path: string): string => (path.endsWith("/v2") ? path : `${path}/v2`);

/** Where a registry is that nothing is configured for. */
export const ownServer = (registry: string): Server => ({ scheme: null, host: ownHost(registry), path: "/v2" });

/** The one registry whose API is on another host. */
const ownHost = (registry: string): string => (registry === "docker.io" ? "registry-1.docker.io" : registry);

/** Whether a host is the registry itself and no mirror of it; then it is asked without `?ns=`. */
export const isOwnHost = (registry: string, host: string): boolean => host === registry || host === ownHost(registry);

/** "" without one. */
export const portOf = (host: string): string => /:([0-9]+)$/.exec(host)?.[1] ?? "";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** `localhost`, an address in 127.0.0.0/8, or `[::1]`; with or without a port. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (isIP(name) === 0) return name.toLowerCase() === "localhost";
  return loopback.check(name, isIP(name) === 6 ? "ipv6" : "ipv4");
}
