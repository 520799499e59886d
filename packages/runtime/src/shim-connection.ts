import { TaskV3 } from "@berth/proto";
import { Task } from "@berth/proto/containerd/task/v2";
import type { Client } from "@berth/rpc";
import { dial, nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { type Bootstrap, socketPath } from "./bootstrap-reply.ts";

export type TaskClient = Client<typeof Task>;

export interface ShimConnection {
  readonly task: TaskClient;
  readonly closed: boolean;
  /** Calls back once, when the connection has gone, at either end. */
  onClose(listener: () => void): void;
  close(): void;
}

export type Dial = (bootstrap: Bootstrap, timeoutMs: number) => Promise<ShimConnection>;

/** Connects to a shim. Throws NobodyListens where it has ended, unavailable where it does not accept. */
export const dialShim: Dial = async (bootstrap, timeoutMs) => {
  const socket = await dial(socketPath(bootstrap.address), `the shim at ${bootstrap.address}`, timeoutMs);
  const client = createClient(nodeByteStream(socket));
  return {
    task: client.service(bootstrap.version === 3 ? (TaskV3 as unknown as typeof Task) : Task),
    get closed() {
      return socket.destroyed;
    },
    onClose(listener) {
      if (socket.closed) queueMicrotask(listener);
      else socket.once("close", listener);
    },
    close: () => socket.destroy(),
  };
};
