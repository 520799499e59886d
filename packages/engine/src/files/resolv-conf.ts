// resolv.conf(5) for a container, from the host's.
import { readFileSync } from "node:fs";

const HOST = "/etc/resolv.conf";
/** Where systemd-resolved lists the servers that it asks itself; the host's own file names its stub, 127.0.0.53. */
const BEHIND_THE_STUB = "/run/systemd/resolve/resolv.conf";
const STUB = "127.0.0.53";
/** Docker's choice as well, for a host that names none that can be reached from elsewhere. */
const PUBLIC = ["8.8.8.8", "8.8.4.4"];

/** The host's, as it is, for a container in the host's network. */
export const hostResolvConf = (): string => readIfThere(HOST);

/** For a container whose loopback is its own. */
export function ownResolvConf(read: (path: string) => string = readIfThere): string {
  const own = read(HOST);
  const kept = withoutLocalServers(own);
  if (serversOf(kept).length > 0) return kept;
  const behind = serversOf(own).includes(STUB) ? withoutLocalServers(read(BEHIND_THE_STUB)) : "";
  if (serversOf(behind).length > 0) return behind;
  return `${kept}${PUBLIC.map((server) => `nameserver ${server}\n`).join("")}`;
}

/** The servers of this machine alone: its loopback, and link-local ones, which name an interface that is not there. */
const isLocal = (server: string): boolean =>
  /^127\./.test(server) || /^(0*:)+0*1$/.test(server) || /^::ffff:127\./i.test(server) || server.includes("%");

const serverOf = (line: string): string | null => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? null;

const serversOf = (text: string): string[] => text.split("\n").flatMap((line) => serverOf(line) ?? []);

function withoutLocalServers(text: string): string {
  const lines = text.split("\n").filter((line) => {
    const server = serverOf(line);
    return server === null || !isLocal(server);
  });
  const kept = lines.join("\n");
  return kept === "" || kept.endsWith("\n") ? kept : `${kept}\n`;
}

/** Empty if missing; a machine without a network has none. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return "";
    throw error;
  }
}
