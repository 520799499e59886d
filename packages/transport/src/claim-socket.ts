import { lstatSync, rmSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { failedPrecondition, invalidArgument } from "@berth/base";

/** Longest path of a unix socket (unix(7), sun_path with its closing NUL). */
const LONGEST = 107;

/**
 * Makes a path free to listen at: missing directories are made, and a socket that nobody listens at any more is
 * removed. They are private (0700), but for those that `passed` are in or below: root of a container's user namespace
 * goes through them to its files, and the socket is kept by its own mode. Throws failed-precondition where somebody
 * answers, or where it is no socket.
 */
export async function claimSocket(path: string, passed: readonly string[] = []): Promise<void> {
  if (!path.startsWith("/")) throw invalidArgument(`address ${JSON.stringify(path)} must be an absolute path`);
  if (Buffer.byteLength(path) > LONGEST)
    throw invalidArgument(`address ${path} is longer than the ${LONGEST} bytes that a socket's path may have`);
  await makeDirectory(dirname(path), passed);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw failedPrecondition(`${JSON.stringify(path)} is no socket: remove it, or choose another address`);
  if (await isAnswered(path)) throw failedPrecondition(`another berthd answers at ${path}: stop it first`);
  rmSync(path, { force: true });
}

async function makeDirectory(directory: string, passed: readonly string[]): Promise<void> {
  const isThere = await access(directory).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await makeDirectory(dirname(directory), passed);
  const isPassed = passed.some((one) => `${one}/`.startsWith(`${directory}/`));
  // With `recursive`, one that somebody else makes meanwhile is fine.
  await mkdir(directory, { recursive: true, mode: isPassed ? 0o711 : 0o700 });
}

/** Only a refusal says that nobody listens; anything else (a full backlog, no permission) is somebody's socket. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else if (error.code === "EAGAIN") resolve(true);
      else
        reject(failedPrecondition(`${JSON.stringify(path)} cannot be taken over: ${error.message}`, { cause: error }));
    });
  });
}
