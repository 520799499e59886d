// Files and directories of a configuration, read with a bound and without waiting for what is no file.
import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { getSystemErrorMessage } from "node:util";
import { failedPrecondition, invalidArgument } from "@berth/base";

/** Bytes. Such a file has a few hundred. */
const LARGEST_FILE = 256 << 10;

const NEWLINE = 10;

/** null if it is missing. Throws invalid-argument if it is no small file in UTF-8, failed-precondition if unreadable. */
export async function readTextFile(file: string): Promise<string | null> {
  const bytes = await readBytes(file);
  if (bytes === null) return null;
  if (bytes.length > LARGEST_FILE)
    throw invalidArgument(`${file} has more than ${LARGEST_FILE} bytes: is it a registry's configuration?`);
  if (!isUtf8(bytes)) throw invalidArgument(`${file}, line ${lineNotUtf8(bytes)}: not UTF-8: save the file as UTF-8`);
  return new TextDecoder().decode(bytes);
}

/** A byte more than the bound at most. */
async function readBytes(file: string): Promise<Buffer | null> {
  try {
    // A pipe without a writer would be waited for.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await handle.stat()).isFile()) throw invalidArgument(`${file} is not a regular file: put one there`);
    return await contentsOf(handle);
  } catch (error) {
    if (isMissing(error)) return null;
    throw unreadable(file, error);
  }
}

async function contentsOf(handle: FileHandle): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of handle.createReadStream({ end: LARGEST_FILE, autoClose: false })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function lineNotUtf8(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    if (!isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
  return line;
}

/** null if there is nothing. Throws failed-precondition if that cannot be told. */
export async function kindOfPath(path: string): Promise<"directory" | "file" | "other" | null> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? "directory" : found.isFile() ? "file" : "other";
  } catch (error) {
    if (isMissing(error)) return null;
    throw unreadable(path, error);
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

/** One sentence with the system's reason; what is one already is passed on. */
export function unreadable(path: string, error: unknown): unknown {
  const { errno } = error as NodeJS.ErrnoException;
  if (errno === undefined) return error;
  return failedPrecondition(`${path} cannot be read: ${getSystemErrorMessage(errno)}`, { cause: error });
}
