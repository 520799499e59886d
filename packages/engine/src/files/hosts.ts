// hosts(5) for a container.
import { readFileSync } from "node:fs";

/** What every machine knows, and the container's own name, which programs look up to find themselves. */
export const ownHosts = (hostname: string): string => `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
127.0.1.1\t${hostname}
`;

/** The host's, for a container in the host's network; what every machine knows if it has none. */
export function hostHosts(hostname: string): string {
  try {
    return readFileSync("/etc/hosts", "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return ownHosts(hostname);
    throw error;
  }
}
