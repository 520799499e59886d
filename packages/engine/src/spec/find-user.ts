import { invalidArgument } from "@berth/base";
import type { OciUser } from "../oci.ts";
import { type GroupEntry, LARGEST_ID, type PasswdEntry, parseGroup, parseNumericId, parsePasswd } from "./passwd.ts";

/** The text of a file of the container's root, or null where there is none. */
export type ReadRootFile = (path: string) => Promise<string | null>;

export interface FoundUser {
  readonly user: OciUser;
  /** From passwd; "/" where it is not known. */
  readonly home: string;
}

/**
 * Looks up `user[:group]`, each a name or a number, in the root's own /etc/passwd and /etc/group, as docker and
 * containerd do: nothing stands for 0, digits are always an id and never a name, an id needs no entry, the first of
 * several entries counts. The group is the user's unless one is given, else 0. The groups that name the user as a
 * member come with it, unless a group was given. Throws invalid-argument that names the user (or group) and the image.
 */
export async function findUser(wanted: string, image: string, read: ReadRootFile): Promise<FoundUser> {
  const [userPart = "", groupPart = "", ...rest] = wanted.split(":");
  if (rest.length > 0)
    throw invalidArgument(`user ${JSON.stringify(wanted)} is invalid: use NAME or UID, and :GROUP or :GID behind it`);
  const given = idOf("user", userPart === "" ? "0" : userPart);
  const entry = findEntry((await read("/etc/passwd")) ?? "", given);
  const uid = entry?.uid ?? given;
  if (typeof uid === "string") throw unknown("user", uid, "/etc/passwd", image);
  const isGroupGiven = groupPart !== "";
  const groups = isGroupGiven || entry !== null ? ((await read("/etc/group")) ?? "") : "";
  const gid = isGroupGiven ? findGroup(groups, idOf("group", groupPart), image) : (entry?.gid ?? 0);
  const others = isGroupGiven || entry === null ? [] : gidsOf(groups, entry.name);
  // The primary group is named too: a process without it in its list would fail to be denied what
  // the group is denied (CVE-2023-25173).
  return { user: { uid, gid, additionalGids: [...new Set([gid, ...others])] }, home: entry?.home || "/" };
}

/** The home of a user by id; "/" where it is not known. */
export async function homeOf(uid: number, read: ReadRootFile): Promise<string> {
  return findEntry((await read("/etc/passwd")) ?? "", uid)?.home || "/";
}

/** A number where it is one, else the name. */
function idOf(what: "user" | "group", given: string): number | string {
  const id = parseNumericId(given);
  if (id === null && /^[0-9]+$/.test(given))
    throw invalidArgument(`${what} ${given} is out of range: ids go from 0 to ${LARGEST_ID}`);
  return id ?? given;
}

const unknown = (what: "user" | "group", name: string, file: string, image: string) =>
  invalidArgument(`${what} ${JSON.stringify(name)} is not in ${file} of image ${image}: use one that is, or a number`);

function findEntry(passwd: string, given: number | string): PasswdEntry | null {
  for (const entry of parsePasswd(passwd)) if (entry.uid === given || entry.name === given) return entry;
  return null;
}

function findGroup(groups: string, given: number | string, image: string): number {
  if (typeof given === "number") return given;
  for (const group of parseGroup(groups)) if (group.name === given) return group.gid;
  throw unknown("group", given, "/etc/group", image);
}

const gidsOf = (groups: string, member: string): number[] => [
  ...parseGroup(groups)
    .filter(({ members }: GroupEntry) => members.includes(member))
    .map(({ gid }) => gid),
];
