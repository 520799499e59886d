import { connect, type Socket } from "node:net";
import { unavailable } from "@berth/base";

/** The socket is not there, or nobody listens on it: its server has ended. */
export class NobodyListens extends Error {
  override name = "NobodyListens";
}

/** Dials of a server that resets connections. A process that was killed does so until it is torn down. */
const TRIES = 20;

/**
 * Connects to a unix socket. Throws NobodyListens where there is no server, unavailable where it does not accept.
 * `who` is what errors call it.
 */
export async function dial(path: string, who: string, timeoutMs: number): Promise<Socket> {
  for (let tries = TRIES; ; tries--) {
    try {
      return await dialOnce(path, who, timeoutMs);
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
      if (cause?.code !== "ECONNRESET" || tries === 1) throw error;
    }
  }
}

function dialOnce(path: string, who: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(unavailable(`${who} accepts no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    const refused = (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      socket.destroy();
      const message = `${who} cannot be reached: ${cause.code ?? cause.message}`;
      const gone = cause.code === "ECONNREFUSED" || cause.code === "ENOENT";
      reject(gone ? new NobodyListens(message, { cause }) : unavailable(message, { cause }));
    };
    socket.once("error", refused);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", refused);
      resolve(socket);
    });
  });
}
