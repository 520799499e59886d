// A client of containerd's transfer service, as ctr 2 is one: it opens streams, and transfers name them by their ids.
import type { GrpcConnection } from "@berth/grpc";
import { type Init, type MessageType, packAny, unpackAny } from "@berth/proto";
import { StreamInit, Streaming } from "@berth/proto/containerd/services/streaming/v1";
import { Transfer } from "@berth/proto/containerd/services/transfer/v1";
import { AuthRequest, AuthResponse, Data, Progress, WindowUpdate } from "@berth/proto/containerd/types/transfer";
import type { Any } from "@berth/proto/google/protobuf";
import { Inbox } from "@berth/rpc";

export interface ClientStream {
  readonly id: string;
  /** The answers behind the first, which says that the stream is known. */
  readonly received: AsyncIterator<Any>;
  send<T extends object>(type: MessageType<T>, message: Init<T>): void;
  /** Sends no more. */
  end(): void;
  /** Breaks the call off. */
  abort(): void;
}

let made = 0;

/** Resolves when the server knows the stream. */
export async function openStream(
  connection: Pick<GrpcConnection, "service">,
  namespace: string,
  id = `stream-${++made}`,
): Promise<ClientStream> {
  const sent = new Inbox<Any>();
  const ended = new AbortController();
  sent.push(packAny(StreamInit, { id }));
  const answers = connection.service(Streaming).stream(sent, { namespace, signal: ended.signal });
  const received = answers[Symbol.asyncIterator]();
  const first = await received.next();
  if (first.done) throw new Error(`stream ${id} has ended before it was acknowledged`);
  return {
    id,
    received,
    send: (type, message) => sent.push(packAny(type, message)),
    end: () => sent.end(),
    abort: () => ended.abort(),
  };
}

/** All of a byte stream; each window update is for as many bytes. */
export async function readBytes(stream: ClientStream, window = 64 << 10): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let left = 0;
  for (;;) {
    if (left < window) {
      stream.send(WindowUpdate, { update: window });
      left += window;
    }
    const next = await stream.received.next();
    if (next.done) return Buffer.concat(chunks);
    const { data } = messageIn(Data, next.value);
    if (data.length > left) throw new Error(`${data.length} bytes were sent where ${left} were allowed`);
    left -= data.length;
    chunks.push(data);
  }
}

/** Sends the bytes as the windows allow it: the biggest of them. */
export async function sendBytes(stream: ClientStream, bytes: Uint8Array, piece = 32 << 10): Promise<number> {
  let [left, at, biggest] = [0, 0, 0];
  while (at < bytes.length) {
    if (left === 0) {
      const next = await stream.received.next();
      if (next.done) return biggest;
      const { update } = messageIn(WindowUpdate, next.value);
      left += update;
      biggest = Math.max(biggest, left);
    }
    const data = bytes.subarray(at, at + Math.min(left, piece));
    stream.send(Data, { data });
    at += data.length;
    left -= data.length;
  }
  stream.end();
  return biggest;
}

/** Answers each question for credentials; the hosts that were asked for, once the stream has ended. */
export async function answerQuestions(
  stream: ClientStream,
  answer: (asked: AuthRequest) => Init<AuthResponse>,
): Promise<string[]> {
  const hosts: string[] = [];
  for (let next = await stream.received.next(); !next.done; next = await stream.received.next()) {
    const asked = messageIn(AuthRequest, next.value);
    hosts.push(asked.host);
    stream.send(AuthResponse, answer(asked));
  }
  return hosts;
}

/** A transfer with its progress. Rejects with what the server says. */
export async function transfer(
  connection: Pick<GrpcConnection, "service">,
  namespace: string,
  source: Any,
  destination: Any,
): Promise<Progress[]> {
  const stream = await openStream(connection, namespace);
  const told = progressOf(stream);
  const options = { progressStream: stream.id };
  try {
    await connection.service(Transfer).transfer({ source, destination, options }, { namespace });
  } catch (error) {
    stream.abort();
    await told.catch(() => {}); // broken off
    throw error;
  }
  return await told;
}

async function progressOf(stream: ClientStream): Promise<Progress[]> {
  const told: Progress[] = [];
  for (let next = await stream.received.next(); !next.done; next = await stream.received.next())
    told.push(messageIn(Progress, next.value));
  return told;
}

function messageIn<T extends object>(type: MessageType<T>, any: Any): T {
  const message = unpackAny(type, any);
  if (message === null) throw new Error(`${any.typeUrl} came in place of ${type.typeName}`);
  return message;
}
