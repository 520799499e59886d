import { createServer as createNetServer, type Server as NetServer } from "node:net";
import type { Log } from "@berth/base";
import type { Registration } from "@berth/rpc";
import { nodeByteStream } from "@berth/runtime";
import { createServer } from "@berth/ttrpc";
import { claimSocket } from "./claim-socket.ts";
import { restrictSocket, type SocketOwner } from "./restrict-socket.ts";

/** Something that listens, until it is told to stop. */
export interface Listening {
  /** Takes no more calls, waits for those under way up to the milliseconds, then ends them. */
  stop(graceMs: number): Promise<void>;
}

/** Serves the registrations over ttrpc at a unix socket. */
export async function serveTtrpc(
  path: string,
  registrations: readonly Registration[],
  owner: SocketOwner,
  log: Log,
): Promise<Listening> {
  const server = createServer({ registrations, log, limits: { waitsForReaders: true } });
  await claimSocket(path);
  const listener = createNetServer({ noDelay: true }, (socket) => {
    server.accept(nodeByteStream(socket));
  });
  await listening(listener, path);
  await restrictSocket(path, owner);
  listener.on("error", (err) => log.error("the ttrpc socket has failed", { address: path, err }));
  return {
    async stop(graceMs) {
      // Node removes the socket's file as it closes.
      listener.close();
      await server.shutdown(graceMs);
    },
  };
}

function listening(listener: NetServer, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ path, backlog: 1024 }, () => {
      listener.off("error", reject);
      resolve();
    });
  });
}
