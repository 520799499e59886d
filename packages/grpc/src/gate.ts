// Every HTTP/2 stream passes here before grpc-js sees it: headers are read as Go reads them, and what peers
// may keep of this process is bounded.
import {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Log } from "@berth/base";
import type { Server } from "@grpc/grpc-js";
import type { GrpcLimits, Held } from "./limits.ts";
import { MessageBoundary } from "./message-boundary.ts";

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: string[]) => void;

/** Streams of a connection between two looks at what it has not read. */
const LOOK_EVERY = 64;
/** Between looks at a connection that was behind. */
const LOOK_AGAIN_MS = 20;

/** Puts the gate before the listening servers of a grpc-js server. */
export function installGate(server: Server, limits: GrpcLimits, held: Held, log: Log): void {
  const open = { connections: 0, calls: 0 };
  for (const http2Server of http2ServersOf(server)) {
    http2Server.prependListener("session", (session: ServerHttp2Session) => {
      if (open.connections >= limits.connections) {
        log.warn("a connection was refused: there are too many", { count: open.connections });
        session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
        return;
      }
      open.connections += 1;
      session.once("close", () => {
        open.connections -= 1;
      });
    });
    const handOn = http2Server.listeners("stream") as OnStream[];
    http2Server.removeAllListeners("stream");
    http2Server.on("stream", ((stream, headers, flags, raw) => {
      if (open.calls >= limits.calls || isBehind(stream, limits)) {
        // A peer that reads is told to try again; one that does not goes.
        stream.on("error", () => {});
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      open.calls += 1;
      stream.once("close", () => {
        open.calls -= 1;
      });
      watchRequest(stream, limits, held);
      keepFirst(headers, raw);
      for (const listener of handOn) listener.call(http2Server, stream, headers, flags, raw);
    }) satisfies OnStream);
  }
}

/**
 * Node joins a header that comes twice with a comma; Go's server, and so containerd, takes the first. Clients send
 * the namespace and the lease twice where contexts are nested.
 */
function keepFirst(headers: IncomingHttpHeaders, raw: readonly string[]): void {
  const seen = new Set<string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name, value] = [raw[at] as string, raw[at + 1] as string];
    if (seen.has(name)) continue;
    seen.add(name);
    if (typeof headers[name] === "string" && headers[name] !== value) headers[name] = value;
  }
}

/** Counts what has come of a request that is not whole; ends the stream where all of them hold too much. */
function watchRequest(stream: ServerHttp2Stream, limits: GrpcLimits, held: Held): void {
  const boundary = new MessageBoundary();
  let counted = 0;
  const count = (bytes: number) => {
    held.bytes += bytes - counted;
    counted = bytes;
  };
  // grpc-js pauses the stream as soon as it has it, so that nothing is read before it asks.
  stream.on("data", (chunk: Uint8Array) => {
    boundary.push(chunk);
    if (!stream.destroyed) count(boundary.pending);
    // Go's client, and grpc-js, report this code as resource-exhausted.
    if (held.bytes > limits.requestBytes) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  stream.once("close", () => count(0));
}

interface Connection {
  readonly streams: Set<ServerHttp2Stream>;
  /** Streams until the next look, and when the last one was. */
  untilLook: number;
  lookedAt: number;
  isBehind: boolean;
}

const connections = new WeakMap<object, Connection>();

/** Whether the stream's connection has too many bytes of answers unread. Looked at now and then: it takes a walk. */
function isBehind(stream: ServerHttp2Stream, { connectionAnswerBytes }: GrpcLimits): boolean {
  const { session } = stream;
  if (session === undefined) return false;
  const connection = connections.get(session) ?? {
    streams: new Set(),
    untilLook: LOOK_EVERY,
    lookedAt: 0,
    isBehind: false,
  };
  connections.set(session, connection);
  const { streams } = connection;
  streams.add(stream);
  stream.once("close", () => streams.delete(stream));
  connection.untilLook -= 1;
  const again = connection.isBehind && performance.now() - connection.lookedAt > LOOK_AGAIN_MS;
  if (connection.untilLook <= 0 || again) {
    let bytes = 0;
    for (const { writableLength } of streams) bytes += writableLength;
    Object.assign(connection, {
      untilLook: LOOK_EVERY,
      lookedAt: performance.now(),
      isBehind: bytes > connectionAnswerBytes,
    });
  }
  return connection.isBehind;
}

/** grpc-js does not hand out the servers that it makes, which are the only ones to know a stream's raw headers. */
function http2ServersOf(server: Server): Http2Server[] {
  const { http2Servers } = server as unknown as { http2Servers?: Map<Http2Server, unknown> };
  if (!(http2Servers instanceof Map))
    throw new Error("this release of @grpc/grpc-js keeps its HTTP/2 servers elsewhere");
  return [...http2Servers.keys()];
}
