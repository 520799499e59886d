import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { failedPrecondition, invalidArgument, isAlreadyExists } from "@berth/base";
import { claimSocketPath } from "@berth/grpc";

/** Longest path of a unix socket (unix(7), sun_path with its closing NUL). */
const LONGEST = 107;

/**
 * Makes a path free to listen at: the directory is made (0700) where it is absent, and a socket that nobody
 * listens at any more is removed. Throws failed-precondition where somebody answers.
 */
export async function claimSocket(path: string): Promise<void> {
  if (!path.startsWith("/")) throw invalidArgument(`address ${JSON.stringify(path)} must be an absolute path`);
  if (Buffer.byteLength(path) > LONGEST)
    throw invalidArgument(`address ${path} is longer than the ${LONGEST} bytes that a socket's path may have`);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await claimSocketPath(path);
  } catch (cause) {
    if (!isAlreadyExists(cause)) throw cause;
    throw failedPrecondition(`another berthd answers at ${path}: stop it first`, { cause });
  }
}
