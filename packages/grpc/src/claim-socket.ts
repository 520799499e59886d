import { lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { alreadyExists, failedPrecondition } from "@berth/base";

/**
 * Makes a socket's path free to bind: removes what a dead process left. Throws already-exists where
 * somebody answers on it, failed-precondition where it is no socket.
 */
export async function claimSocketPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw failedPrecondition(`${JSON.stringify(path)} is no socket: remove it, or choose another address`);
  if (await isAnswered(path)) throw alreadyExists("a server on socket", path);
  unlinkSync(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (answered: boolean) => () => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", answer(true));
    socket.once("error", answer(false));
  });
}
