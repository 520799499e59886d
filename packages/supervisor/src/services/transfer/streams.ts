// The streams that clients have opened for transfers, by namespace and id: each waits until a transfer takes it, and ends
// with that transfer, or with its own call.
import { canceled, messageOf, notFound, resourceExhausted, unavailable, unknownError } from "@berth/base";
import type { Any } from "@berth/proto/google/protobuf";
import { type Call, Inbox } from "@berth/rpc";

/** Of all namespaces; those that transfers have taken do not count. */
const MOST_WAITING = 1_024;
/** Messages that a slow client may leave unread before `send` waits. */
const WINDOW = 16;

/** A stream from the server's side. One at a time may wait in `receive`, and one in `send`. */
export interface Stream {
  readonly id: string;
  /** The next message of the client; null once it sends no more. Rejects when its call is over, or it is closed. */
  receive(): Promise<Any | null>;
  /** Resolves when the client may be sent more. Throws unavailable if the stream has ended. */
  send(message: Any): Promise<void>;
  /** Ends the call once the client has read what was sent; with an error, if there is one. */
  close(error?: unknown): void;
}

/** What the call of a stream answers with, until it is closed. */
export interface OpenStream extends Stream {
  readonly answers: AsyncIterable<Any>;
}

/** A stream of a call whose first message said the id. */
export function openStream(id: string, incoming: AsyncIterator<Any>, signal: AbortSignal): OpenStream {
  const outbox = new Inbox<Any>();
  let wake: () => void = () => {};
  let interrupt: (error: unknown) => void = () => {};
  outbox.onTake = () => wake();
  const close = (error: unknown = null): void => {
    outbox.end(error);
    wake();
    interrupt(signal.aborted ? brokenOff(id, signal.reason) : ended(id));
  };
  if (signal.aborted) close();
  else signal.addEventListener("abort", () => close(), { once: true });
  return {
    id,
    answers: outbox,
    close,
    async receive() {
      if (outbox.ended) throw signal.aborted ? brokenOff(id, signal.reason) : ended(id);
      // Not a race, which would keep something of each message for as long as the stream lives.
      const { promise, resolve, reject } = Promise.withResolvers<Any | null>();
      interrupt = reject;
      incoming.next().then(
        (next) => resolve(next.done === true ? null : next.value),
        (error: unknown) => reject(brokenOff(id, error)),
      );
      return await promise;
    },
    async send(message) {
      if (outbox.ended) throw ended(id);
      outbox.push(message);
      while (outbox.length >= WINDOW && !outbox.ended)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}

const ended = (id: string): Error => unavailable(`stream ${JSON.stringify(id)} has ended`);

const brokenOff = (id: string, cause: unknown): Error =>
  canceled(`stream ${JSON.stringify(id)} was broken off: ${messageOf(cause)}`, { cause });

/** The streams of one transfer. */
export interface TakenStreams {
  /** Throws not-found for an id that no stream of the namespace has. */
  take(id: string): Stream;
  /** Ends those that have not ended. */
  close(): void;
}

export interface Streams {
  /** The stream waits until it is taken. Throws unknown, as containerd does, for an id that another one has. */
  add(call: Pick<Call, "namespace">, stream: Stream): void;
  /** Its call is over. */
  remove(call: Pick<Call, "namespace">, stream: Stream): void;
  takeFor(call: Pick<Call, "namespace">): TakenStreams;
}

/** `stopping`: those that wait end when berthd begins to stop; a transfer goes on with what it has. */
export function createStreams(stopping: AbortSignal): Streams {
  const waiting = new Map<string, Stream>();
  const keyOf = ({ namespace }: Pick<Call, "namespace">, id: string): string => JSON.stringify([namespace, id]);
  const stop = () => {
    for (const stream of waiting.values()) stream.close(unavailable("berthd is shutting down: try again"));
    waiting.clear();
  };
  stopping.addEventListener("abort", stop, { once: true });
  return {
    add(call, stream) {
      const key = keyOf(call, stream.id);
      if (stopping.aborted) throw unavailable("berthd is shutting down: try again");
      if (waiting.has(key)) throw unknownError(`stream ${JSON.stringify(stream.id)}: already exists`);
      if (waiting.size === MOST_WAITING)
        throw resourceExhausted(`${MOST_WAITING} streams wait for a transfer already: end some`);
      waiting.set(key, stream);
    },
    remove(call, stream) {
      const key = keyOf(call, stream.id);
      if (waiting.get(key) === stream) waiting.delete(key);
    },
    takeFor(call) {
      const taken: Stream[] = [];
      return {
        take(id) {
          const key = keyOf(call, id);
          const stream = waiting.get(key);
          if (stream === undefined) throw notFound("stream", id);
          waiting.delete(key);
          taken.push(stream);
          return stream;
        },
        close() {
          for (const stream of taken) stream.close();
        },
      };
    },
  };
}
