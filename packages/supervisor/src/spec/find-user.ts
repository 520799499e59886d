import { invalidArgument } from "@berth/base";
import type { OciUser } from "./oci.ts";
import { type GroupEntry, type PasswdEntry, parseGroup, parseNumericId, parsePasswd } from "./passwd.ts";

/** The text of a file of the container's root, or null where there is none. */
export type ReadRootFile = (path: string) => Promise<string | null>;

export interface FoundUser {
  readonly user: OciUser;
  /** From passwd; "/" where it is not known. */
  readonly home: string;
}

/**
 * Looks up `user[:group]`, each a name or a number, in the root's own /etc/passwd and /etc/group. A number
 * needs no entry; its group is then 0. The groups that name the user as a member come with it, unless a
 * group was given. Throws invalid-argument that names the user (or group) and the image.
 */
export async function findUser(wanted: string, image: string, read: ReadRootFile): Promise<FoundUser> {
  const [userPart = "", groupPart = "", ...rest] = wanted.split(":");
  if (rest.length > 0)
    throw invalidArgument(`user ${JSON.stringify(wanted)} is invalid: use NAME or UID, and :GROUP or :GID behind it`);
  const passwd = parsePasswd((await read("/etc/passwd")) ?? "");
  const groups = parseGroup((await read("/etc/group")) ?? "");
  const entry = findEntry(passwd, userPart === "" ? "0" : userPart);
  const uid = entry?.uid ?? parseNumericId(userPart === "" ? "0" : userPart);
  if (uid === null)
    throw invalidArgument(
      `user ${JSON.stringify(userPart)} is not in /etc/passwd of image ${image}: use one that is, or a number`,
    );
  const gid = groupPart === "" ? (entry?.gid ?? 0) : findGroup(groups, groupPart, image);
  const member = entry === null || groupPart !== "" ? [] : groups.filter((g) => g.members.includes(entry.name));
  // The primary group is named too: a process without it in its list would fail to be denied what
  // the group is denied (CVE-2023-25173).
  const additionalGids = [...new Set([gid, ...member.map((group) => group.gid)])];
  return { user: { uid, gid, additionalGids }, home: entry?.home || "/" };
}

function findEntry(passwd: readonly PasswdEntry[], wanted: string): PasswdEntry | null {
  const uid = parseNumericId(wanted);
  return passwd.find((entry) => entry.name === wanted) ?? passwd.find((entry) => entry.uid === uid) ?? null;
}

function findGroup(groups: readonly GroupEntry[], wanted: string, image: string): number {
  const gid = groups.find((group) => group.name === wanted)?.gid ?? parseNumericId(wanted);
  if (gid === null)
    throw invalidArgument(
      `group ${JSON.stringify(wanted)} is not in /etc/group of image ${image}: use one that is, or a number`,
    );
  return gid;
}
