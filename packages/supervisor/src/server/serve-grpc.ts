import type { Log } from "@berth/base";
import { createGrpcServer } from "@berth/grpc";
import type { Registration } from "@berth/rpc";
import { claimSocket } from "./claim-socket.ts";
import { restrictSocket, type SocketOwner } from "./restrict-socket.ts";
import type { Listening } from "./serve-ttrpc.ts";

/** Serves the registrations over gRPC at a unix socket. */
export async function serveGrpc(
  path: string,
  registrations: readonly Registration[],
  owner: SocketOwner,
  log: Log,
): Promise<Listening> {
  const server = createGrpcServer({ registrations, log });
  await claimSocket(path);
  await server.listen(path);
  await restrictSocket(path, owner);
  return { stop: (graceMs) => server.stop(graceMs) };
}
