import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { dataLoss, failedPrecondition } from "@berth/base";
import { applicationId } from "./application-id.ts";
import { MARKER, readMarker } from "./marker.ts";
import { isBerths, isOwn, ownerOf } from "./owner.ts";

/** What a root directory is before anything in it is touched. */
export type RootState =
  /** Empty or absent: to be begun. */
  | { readonly at: "fresh" }
  | { readonly at: "marked"; readonly id: string }
  /** The database is there (`alone`: and nothing else), and the marker is missing or damaged. */
  | { readonly at: "unmarked"; readonly alone: boolean };

/** There from the begin of a recovery to its end: what the database has until then is not all. */
export const recoveryFile = (root: string): string => join(dirname(databaseOf(root)), "recovering");

export const databaseOf = (root: string): string => join(root, "io.berth.metadata.v1.sqlite", "meta.db");

/** What to do about a root whose database is not what it was; one clause. */
export const RECOVER =
  "put the right one back, or let `berthd recover` (with the same --config, --root and --state) rebuild what the disk allows";

/**
 * Looks at the root without changing anything. `others` are paths of berthd's own (state directory, sockets) that may
 * lie below it. Throws where it is somebody else's, or where its database is lost: nothing in there may be deleted
 * because of records that are gone.
 */
export function inspectRoot(root: string, others: readonly string[], recovering = false): RootState {
  const names = namesIn(root, others);
  if (names === null) return { at: "fresh" };
  if (!recovering && existsSync(recoveryFile(root)))
    throw dataLoss(
      `root directory ${root} is being recovered, or that was cut short: run \`berthd recover\` to its end`,
    );
  const marker = readMarker(root, "root");
  if (typeof marker === "object") {
    checkDatabaseFile(root, marker.id);
    return { at: "marked", id: marker.id };
  }
  const rest = names.filter((name) => name !== MARKER && name !== `${MARKER}.new`);
  const database = databaseOf(root);
  // A first start that ended before the database was whole has left a folder with next to nothing in it.
  const begun = rest.every((name) => name === basename(dirname(database)));
  if (begun && !hasContent(database) && marker === "missing") return { at: "fresh" };
  const owner = rest.some((name) => !isOwn(name)) || !rest.some(isBerths) ? ownerOf(rest) : null;
  if (owner === null && hasContent(database)) return { at: "unmarked", alone: begun };
  if (owner === null && rest.some(isBerths))
    throw dataLoss(`root directory ${root} is berth's, but its database ${database} is missing or empty: ${RECOVER}`);
  throw failedPrecondition(refusal("root", root, rest, owner));
}

/** One sentence: which directory, whose it looks like, what to do. */
export function refusal(kind: "root" | "state", directory: string, names: readonly string[], owner: string | null) {
  const whose =
    owner === null
      ? `is not berth's and not empty (it has ${names.slice(0, 3).join(", ")}${names.length > 3 ? " and more" : ""})`
      : `looks like ${owner}`;
  return `${kind} directory ${directory} ${whose}: give berthd an empty one of its own (--${kind}, or ${kind} in the configuration)`;
}

/** Names in the directory but for paths of our own and what mkfs makes; null where there are none. Throws for a file. */
export function namesIn(directory: string, others: readonly string[]): string[] | null {
  const ours = new Set(others.map((path) => relative(directory, path).split("/")[0]));
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    if (code === "ENOTDIR") throw failedPrecondition(`${directory} is a file: berthd needs a directory there`);
    throw error;
  }
  const rest = names.filter((name) => name !== "lost+found" && !ours.has(name));
  return rest.length === 0 ? null : rest;
}

// https://sqlite.org/fileformat.html, "The Database Header".
const HEADER = 100;
const PAGE_SIZE_AT = 16;
const CHANGE_COUNTER_AT = 24;
const PAGE_COUNT_AT = 28;
const APPLICATION_AT = 68;
const VALID_FOR_AT = 92;

/** Before SQLite opens it: a log that is not this file's would be written into it. */
function checkDatabaseFile(root: string, id: string): void {
  const path = databaseOf(root);
  if (!hasContent(path))
    throw dataLoss(`the database of root directory ${root} is lost (${path} is missing or empty): ${RECOVER}`);
  if (!statSync(path).isFile())
    throw dataLoss(
      `the database of root directory ${root} is lost (${path} is no file): move that away and ${RECOVER}`,
    );
  const header = Buffer.alloc(HEADER);
  const fd = openSync(path, "r");
  let got: number;
  try {
    got = readSync(fd, header, 0, HEADER, 0);
  } finally {
    closeSync(fd);
  }
  if (got < HEADER || header.toString("latin1", 0, 16) !== "SQLite format 3\0")
    throw dataLoss(`the database of root directory ${root} is damaged (${path} is not SQLite's): ${RECOVER}`);
  if (header.readUInt32BE(APPLICATION_AT) !== applicationId(id))
    throw dataLoss(`the database ${path} is not that of root directory ${root}, but another's: ${RECOVER}`);
  const pageSize = header.readUInt16BE(PAGE_SIZE_AT) === 1 ? 65536 : header.readUInt16BE(PAGE_SIZE_AT);
  const pages = header.readUInt32BE(PAGE_COUNT_AT);
  // With a log beside it the file may well be shorter than its header says, until the log is written into it.
  const counts = header.readUInt32BE(CHANGE_COUNTER_AT) === header.readUInt32BE(VALID_FOR_AT);
  if (counts && !hasContent(`${path}-wal`) && statSync(path).size < pages * pageSize)
    throw dataLoss(`the database ${path} is truncated: ${RECOVER}`);
}

const hasContent = (path: string): boolean => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
