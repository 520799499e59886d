// Every event passes here once, to the subscribers of that moment.
import { type Clock, checkId, invalidArgument, type Log, parseFilters, resourceExhausted } from "@berth/base";
import type { Any } from "@berth/proto/google/protobuf";
import { eventField } from "./event-field.ts";
import type { Envelope, Exchange } from "./types.ts";

/** Events that a subscriber may leave unread before it is cut off, and their bytes. */
const QUEUE_LIMIT = 16_384;
const QUEUE_BYTES = 32 << 20;
/** Bytes that all subscribers may leave unread, before the one that has most is cut off. */
const ALL_QUEUES_BYTES = 128 << 20;

export interface ExchangeOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Looks at each event before anybody gets it; false drops it. */
  readonly admit?: (envelope: Envelope) => boolean;
  readonly queueLimit?: number;
  readonly queueBytes?: number;
  readonly allQueuesBytes?: number;
}

export function createExchange(options: ExchangeOptions): Exchange {
  const { clock, log, admit = () => true, queueLimit = QUEUE_LIMIT } = options;
  const { queueBytes = QUEUE_BYTES, allQueuesBytes = ALL_QUEUES_BYTES } = options;
  const subscribers = new Set<Subscriber>();
  const knownTopics = new Set<string>();

  const check = (namespace: string, topic: string) => {
    checkId("namespace", namespace);
    if (knownTopics.has(topic)) return;
    checkTopic(topic);
    // Bounded: topics are few, but clients choose them.
    if (knownTopics.size < 256) knownTopics.add(topic);
  };
  const deliver = (envelope: Envelope) => {
    if (!admit(envelope)) return;
    for (const subscriber of subscribers) subscriber.offer(envelope);
    relieve();
  };
  /** Few subscribers have anything unread, so that most of the time this adds up zeros. */
  const relieve = () => {
    let total = 0;
    let fullest: Subscriber | null = null;
    for (const subscriber of subscribers) {
      total += subscriber.unreadBytes;
      if (subscriber.unreadBytes > (fullest?.unreadBytes ?? 0)) fullest = subscriber;
    }
    if (total > allQueuesBytes) fullest?.cutOff();
  };

  return {
    publish(namespace: string, topic: string, event: Any) {
      check(namespace, topic);
      deliver({ timestamp: clock.now(), namespace, topic, event });
    },
    forward(envelope) {
      check(envelope.namespace, envelope.topic);
      // Go's zero time (year 1) is before 1970.
      if (envelope.timestamp <= 0n)
        throw invalidArgument(`event ${envelope.topic} has no timestamp: whoever forwards an event sets it`);
      deliver(envelope);
    },
    subscribe(filters, signal) {
      const matches = parseFilters(filters);
      const subscriber: Subscriber = createSubscriber({
        wants: (envelope) => matches((fieldpath) => eventField(envelope, fieldpath)),
        limit: queueLimit,
        limitBytes: queueBytes,
        onEnd: () => subscribers.delete(subscriber),
        onOverflow: (count) => log.warn("a subscriber that does not read its events was cut off", { count }),
      });
      if (signal.aborted) subscriber.end();
      else {
        subscribers.add(subscriber);
        signal.addEventListener("abort", subscriber.end, { once: true });
      }
      return subscriber.events;
    },
  };
}

/** Throws invalid-argument unless the topic is like `/tasks/exit`. */
function checkTopic(topic: string): void {
  if (!topic.startsWith("/") || topic.length === 1)
    throw invalidArgument(`topic ${JSON.stringify(topic)} is invalid: it has the form /tasks/exit`);
  for (const part of topic.slice(1).split("/")) checkId(`part of topic ${JSON.stringify(topic)}, its`, part);
}

interface Subscriber {
  offer(envelope: Envelope): void;
  /** No more events; those in the queue are dropped. */
  end(): void;
  /** For one that does not read. */
  cutOff(): void;
  readonly unreadBytes: number;
  readonly events: AsyncIterable<Envelope>;
}

interface SubscriberOptions {
  wants(envelope: Envelope): boolean;
  readonly limit: number;
  readonly limitBytes: number;
  onEnd(): void;
  onOverflow(unread: number): void;
}

/** What an event costs beyond its bytes. */
const OVERHEAD = 256;
const bytesOf = ({ event }: Envelope): number => event.value.length + OVERHEAD;

function createSubscriber({ wants, limit, limitBytes, onEnd, onOverflow }: SubscriberOptions): Subscriber {
  let queue: (Envelope | undefined)[] = [];
  // Index of the next one: shift() of a long array copies it.
  let head = 0;
  let unreadBytes = 0;
  let ended = false;
  let failure: Error | null = null;
  let waiting: PromiseWithResolvers<IteratorResult<Envelope>>[] = [];

  const stop = (error: Error | null) => {
    if (ended) return;
    ended = true;
    failure = error;
    queue = [];
    head = 0;
    unreadBytes = 0;
    onEnd();
    const reads = waiting;
    waiting = [];
    for (const read of reads) settle(read);
  };
  const settle = (read: PromiseWithResolvers<IteratorResult<Envelope>>) => {
    if (failure === null) read.resolve({ done: true, value: undefined });
    else read.reject(failure);
    failure = null;
  };
  const next = (): Promise<IteratorResult<Envelope>> => {
    const value = queue[head];
    if (value !== undefined) {
      // What was read must not be kept until the array is cut.
      queue[head] = undefined;
      head++;
      unreadBytes -= bytesOf(value);
      if (head === queue.length || head >= 1024) {
        queue = queue.slice(head);
        head = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    const read = Promise.withResolvers<IteratorResult<Envelope>>();
    if (ended) settle(read);
    else waiting.push(read);
    return read.promise;
  };
  const cutOff = () => {
    const unread = queue.length - head;
    onOverflow(unread);
    stop(
      resourceExhausted(`the subscriber has left ${unread} events unread and was cut off: subscribe again, then list`),
    );
  };
  return {
    offer(envelope) {
      if (!wants(envelope)) return;
      const read = waiting.shift();
      if (read !== undefined) {
        read.resolve({ done: false, value: envelope });
        return;
      }
      // One event of any size has its place.
      const isFull = queue.length - head >= limit || (unreadBytes > 0 && unreadBytes + bytesOf(envelope) > limitBytes);
      if (isFull) {
        cutOff();
        return;
      }
      queue.push(envelope);
      unreadBytes += bytesOf(envelope);
    },
    cutOff,
    get unreadBytes() {
      return unreadBytes;
    },
    end: () => stop(null),
    events: {
      [Symbol.asyncIterator]: () => ({
        next,
        return: () => {
          stop(null);
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    },
  };
}
