import { connect } from "node:net";
import { unavailable } from "@berth/base";
import { TaskV3 } from "@berth/proto";
import { Task } from "@berth/proto/containerd/task/v2";
import type { Client } from "@berth/rpc";
import { createClient } from "@berth/ttrpc";
import { type Bootstrap, socketPath } from "./bootstrap-reply.ts";
import { nodeByteStream } from "./node-byte-stream.ts";

export type TaskClient = Client<typeof Task>;

export interface ShimConnection {
  readonly task: TaskClient;
  readonly closed: boolean;
  /** Calls back once, when the connection has gone, whoever closed it. */
  onClose(listener: () => void): void;
  close(): void;
}

export type Dial = (bootstrap: Bootstrap, timeoutMs: number) => Promise<ShimConnection>;

/** The shim's socket is not there, or nobody listens on it: the shim has ended. */
export class ShimGone extends Error {
  override name = "ShimGone";
}

/** Dials of a shim that resets connections. A process that was killed does so until it is torn down. */
const TRIES = 20;

/** Connects to a shim. Throws ShimGone where there is none, unavailable where it does not accept. */
export const dialShim: Dial = async (bootstrap, timeoutMs) => {
  for (let tries = TRIES; ; tries--) {
    try {
      return await dialOnce(bootstrap, timeoutMs);
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
      if (cause?.code !== "ECONNRESET" || tries === 1) throw error;
    }
  }
};

const dialOnce: Dial = (bootstrap, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath(bootstrap.address) });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(unavailable(`the shim at ${bootstrap.address} accepts no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    const refused = (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      socket.destroy();
      const message = `the shim at ${bootstrap.address} cannot be reached: ${cause.code ?? cause.message}`;
      const gone = cause.code === "ECONNREFUSED" || cause.code === "ENOENT";
      reject(gone ? new ShimGone(message, { cause }) : unavailable(message, { cause }));
    };
    socket.once("error", refused);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", refused);
      const client = createClient(nodeByteStream(socket));
      resolve({
        task: client.service(bootstrap.version === 3 ? (TaskV3 as unknown as typeof Task) : Task),
        get closed() {
          return socket.destroyed;
        },
        onClose(listener) {
          if (socket.closed) queueMicrotask(listener);
          else socket.once("close", listener);
        },
        close: () => socket.destroy(),
      });
    });
  });
