// Limits of a process (setrlimit(2)), which its children inherit.
import { readFileSync } from "node:fs";
import { invalidArgument } from "@berth/base";
import type { OciProcess } from "../oci.ts";
import { heldCapabilities } from "./held-capabilities.ts";

type Rlimit = NonNullable<OciProcess["rlimits"]>[number];

const types: readonly string[] =
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" ");

const INFINITY = 2n ** 64n - 1n;

/**
 * Files that a process may have open. The 1,024 of the kernel's default are for programs that use select(2), and few
 * for a server; the million of some daemons makes programs slow that close every possible descriptor before they
 * exec, or reserve a table for each. So: enough for a server without asking, and what systemd gives to services as
 * the most that one can ask for.
 */
const SOFT_FILES = 65_536;
const HARD_FILES = 524_288;

/** Reads `TYPE=SOFT[:HARD]`, where -1 is no limit; a later one of a type takes the place of an earlier. */
export function parseUlimits(given: readonly string[]): Rlimit[] {
  const limits = new Map<string, Rlimit>();
  for (const each of given) {
    const limit = parseUlimit(each);
    limits.set(limit.type, limit);
  }
  return [...limits.values()];
}

function parseUlimit(given: string): Rlimit {
  const quoted = JSON.stringify(given.slice(0, 80));
  const [, type = "", softText = "", hardText = softText] =
    /^([a-z]+)=(-1|\d{1,20})(?::(-1|\d{1,20}))?$/.exec(given) ?? [];
  if (type === "")
    throw invalidArgument(`ulimit ${quoted} is invalid: use TYPE=SOFT or TYPE=SOFT:HARD, with -1 for no limit`);
  if (!types.includes(type)) throw invalidArgument(`ulimit ${quoted} is not known: there are ${types.join(", ")}`);
  const limitOf = (text: string) => (text === "-1" ? INFINITY : BigInt(text));
  const [soft, hard] = [limitOf(softText), limitOf(hardText)];
  if (hard > INFINITY) throw invalidArgument(`ulimit ${quoted} is more than 64 bits hold: use -1 for no limit`);
  if (soft > hard) throw invalidArgument(`ulimit ${quoted}: the soft limit cannot be more than the hard one`);
  const most = type === "nofile" ? mostFiles() : INFINITY;
  if (hard > most)
    throw invalidArgument(
      `ulimit ${quoted}: no more than ${most} open files can be given here (sysctl fs.nr_open, or the limit of berthd itself)`,
    );
  return { type: `RLIMIT_${type.toUpperCase()}`, hard: exact(hard), soft: exact(soft) };
}

/** A number where that is exact. */
const exact = (value: bigint): number | bigint => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : value);

/** The limits with the default for open files, unless they have one. */
export function withDefaults(limits: readonly Rlimit[], largest = Number(mostFiles())): Rlimit[] {
  if (limits.some(({ type }) => type === "RLIMIT_NOFILE")) return [...limits];
  const files = { type: "RLIMIT_NOFILE", hard: Math.min(HARD_FILES, largest), soft: Math.min(SOFT_FILES, largest) };
  return [files, ...limits];
}

let most: bigint | null = null;

/** The most that the kernel allows, or that we may give away: without CAP_SYS_RESOURCE, what we have. */
function mostFiles(): bigint {
  if (most !== null) return most;
  const allowed = BigInt(readFileSync("/proc/sys/fs/nr_open", "utf8").trim());
  const own = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  const mayRaise = own === undefined || heldCapabilities().includes("CAP_SYS_RESOURCE");
  most = mayRaise || BigInt(own) > allowed ? allowed : BigInt(own);
  return most;
}
