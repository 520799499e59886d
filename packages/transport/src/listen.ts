import { createServer } from "node:net";
import type { ByteStream } from "@berth/ttrpc";
import { nodeByteStream } from "./byte-stream.ts";
import { claimSocket } from "./claim-socket.ts";
import { restrictSocket, type SocketOwner } from "./restrict-socket.ts";

/** Connections that may wait to be accepted; the kernel's own bound (net.core.somaxconn, listen(2)) comes on top. */
const BACKLOG = 1024;

/**
 * Claims a path and listens at it. Each connection is given to `accept`; `failed` hears of what breaks the listener later.
 * Disposing of it takes no more connections and removes the socket; those that are open go on.
 */
export async function listen(
  path: string,
  owner: SocketOwner,
  { accept, failed }: { accept(stream: ByteStream): void; failed(error: Error): void },
): Promise<Disposable> {
  await claimSocket(path);
  const listener = createServer({ noDelay: true }, (socket) => accept(nodeByteStream(socket)));
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ path, backlog: BACKLOG }, () => {
      listener.off("error", reject);
      resolve();
    });
  });
  await restrictSocket(path, owner);
  listener.on("error", failed);
  return {
    [Symbol.dispose]() {
      // Node removes the socket's file as it closes.
      listener.close();
    },
  };
}
