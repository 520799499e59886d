// The file that makes a directory berth's own: without it nothing in there is touched.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { failedPrecondition } from "@berth/base";

export const MARKER = "io.berth.json";
const FORMAT = 1;
const ABOUT = "This directory is berth's: berthd refuses it without this file, or with that of another.";

/** Says which installation a root (kept over a restart of the machine) or state directory (not kept) belongs to. */
export interface Marker {
  readonly kind: "root" | "state";
  /** The same in the root, its database and the state directory. */
  readonly id: string;
}

/** "missing" where there is none, "damaged" where it cannot be understood. Throws for one of a later version. */
export function readMarker(directory: string, kind: Marker["kind"]): Marker | "missing" | "damaged" {
  const path = join(directory, MARKER);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return "missing";
    if (code === "EISDIR") return "damaged";
    throw error;
  }
  const found = parsed(text);
  if (found === null) return "damaged";
  if (typeof found.format === "number" && found.format > FORMAT)
    throw failedPrecondition(
      `${path} has format ${found.format}, but this berthd knows ${FORMAT} at most: use the version that wrote it, or a later one`,
    );
  if (found.format !== FORMAT || typeof found.id !== "string" || !/^[0-9a-f-]{36}$/.test(found.id)) return "damaged";
  if (found.kind !== kind)
    throw failedPrecondition(
      `${directory} is the ${String(found.kind)} directory of a berth and cannot be its ${kind} directory: exchange the two`,
    );
  return { kind, id: found.id };
}

function parsed(text: string): Partial<Record<"format" | "kind" | "id", unknown>> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}

/** Durable when it returns. */
export function writeMarker(directory: string, { kind, id }: Marker): void {
  writeDurably(join(directory, MARKER), `${JSON.stringify({ about: ABOUT, format: FORMAT, kind, id }, null, 2)}\n`);
}

/** Replaces a small file: after a power cut it is the old one or the new one. */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncNames(dirname(path));
}

/** Makes the names in a directory durable, before anything else is done. */
export function syncNames(directory: string): void {
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
