import type { Log } from "@berth/base";
import { createGrpcServer } from "@berth/grpc";
import type { Registration } from "@berth/rpc";
import { claimSocket, restrictSocket } from "@berth/transport";
import type { Config } from "../config/sections.ts";
import type { Listening } from "./serve-ttrpc.ts";

// What Go's server takes for a size of 0, which containerd hands on.
const GO_DEFAULT_RECEIVE = 4 << 20;
const GO_DEFAULT_SEND = 2 ** 31 - 1;

/** Serves the registrations over gRPC at a unix socket. */
export async function serveGrpc(
  path: string,
  registrations: readonly Registration[],
  { uid, gid, maxRecv, maxSend }: Config["grpc"],
  log: Log,
): Promise<Listening> {
  const server = createGrpcServer({
    registrations,
    log,
    maxReceive: maxRecv || GO_DEFAULT_RECEIVE,
    maxSend: maxSend || GO_DEFAULT_SEND,
  });
  await claimSocket(path);
  await server.listen(path);
  await restrictSocket(path, { uid, gid });
  return { stop: (graceMs) => server.stop(graceMs) };
}
