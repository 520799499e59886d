import { createHash } from "node:crypto";

/**
 * What the header of a root's database has as its application id (https://sqlite.org/fileformat.html): 31 bits of
 * the root's id, so that a database of another root is known before SQLite has read it. Never 0.
 */
export const applicationId = (id: string): number =>
  (createHash("sha256").update(`berth root ${id}`).digest().readUInt32BE(0) & 0x7fffffff) | 1;
