// What a registry is called: in references to images, by a person, and in the keys of credential files.
import { parseReference } from "@berth/base";
import { UsageError } from "../cli/usage-error.ts";

/** Docker Hub, as references name it. */
const HUB = "docker.io";

/** Docker Hub, as docker keeps its credentials: https://docs.docker.com/reference/cli/docker/login/ */
const HUB_SERVER = "https://index.docker.io/v1/";

/**
 * The registry or repository that a key stands for, as references name it: of a URL the host alone, and docker.io for
 * each host of Docker Hub.
 */
export function nameOf(key: string): string {
  const withoutScheme = key.replace(/^https?:\/\//i, "");
  const name = withoutScheme === key ? key.replace(/\/$/, "") : hostOf(withoutScheme);
  return name.toLowerCase().replace(/^(?:index|registry-1)\.docker\.io(?=\/|$)/, HUB);
}

/** `quay.io/org/app` is on `quay.io`. */
export const hostOf = (name: string): string => name.split("/", 1).join();

/** `quay.io/org/app`, `quay.io/org`, `quay.io`: a longer key goes before a shorter one (containers-auth.json(5)). */
export function prefixesOf(name: string): string[] {
  const parts = name.split("/");
  return parts.map((_, cut) => parts.slice(0, parts.length - cut).join("/"));
}

/** What docker calls the registry in its file, and to credential helpers. */
export const serverOf = (host: string): string => (host === HUB ? HUB_SERVER : host);

/** The registry that `login [REGISTRY]` means; docker's URLs (`https://host/v1/`) mean their host. Throws UsageError. */
export function parseRegistry([given = HUB, ...more]: readonly string[]): string {
  if (more.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: name one registry`);
  const name = nameOf(given);
  if (!isRegistry(name))
    throw new UsageError(
      `${JSON.stringify(given)} is no registry: name its host alone, like ghcr.io or localhost:5000`,
    );
  return name;
}

/** Whether a reference that begins with it is about this host. */
function isRegistry(name: string): boolean {
  try {
    return parseReference(`${name}/image`).domain === name;
  } catch {
    return false;
  }
}
