// What may go wrong between a registry and its client. A fault gets the request, and whoever would answer it next: it may
// change the request, the answer, the answer's bytes as they come, or give an answer of its own.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Gate } from "./gate.ts";

export interface Call {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** With its question mark; "" if there is none. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

export type Pass = (call: Call) => Promise<Answer>;
export type Fault = (call: Call, pass: Pass) => Promise<Answer>;

/** Thrown to cut the connection there and then. */
export class Cut extends Error {}

/** An answer of its own; nobody else is asked. */
export const respond =
  (status: number, headers?: OutgoingHttpHeaders, body?: string | Uint8Array): Fault =>
  async () =>
    answerOf(status, headers, body);

export function answerOf(status: number, headers: OutgoingHttpHeaders = {}, body: string | Uint8Array = ""): Answer {
  const bytes = Buffer.from(body);
  return { status, headers: { "content-length": bytes.length, ...headers }, body: once(bytes) };
}

/** Sends the client elsewhere: to the same path and query at the other server. */
export const redirectTo =
  (url: string): Fault =>
  async ({ path, query }) =>
    answerOf(307, { location: `${url}${path}${query}` });

/** The connection ends without an answer. */
export const hangUp = (): Fault => async () => {
  throw new Cut("hung up");
};

/** The request is taken, and nothing happens until it may go on. */
export const holdAt =
  (gate: Gate): Fault =>
  async (call, pass) => {
    await gate.pass(call.signal);
    return await pass(call);
  };

/** The whole body comes, whatever range was asked for. */
export const ignoreRange = (): Fault => (call, pass) => {
  const { range: _, ...headers } = call.headers;
  return pass({ ...call, headers });
};

/**
 * Replaces headers of the answer, by their names in lower case, or removes those that are null. The connection ends
 * after it: its length may be a lie.
 */
export const changeHeaders =
  (changes: Readonly<Record<string, string | null>>): Fault =>
  async (call, pass) => {
    const answer = await pass(call);
    const headers: OutgoingHttpHeaders = { ...answer.headers, connection: "close" };
    for (const [name, value] of Object.entries(changes))
      if (value === null) delete headers[name];
      else headers[name] = value;
    return { ...answer, headers };
  };

/** Other bytes, of whatever length. */
export const changeBody =
  (change: (bytes: Uint8Array) => Uint8Array): Fault =>
  async (call, pass) => {
    const answer = await pass(call);
    if (call.method === "HEAD") return answer;
    const bytes = change(await buffer(answer.body));
    return { ...answer, headers: { ...answer.headers, "content-length": bytes.length }, body: once(bytes) };
  };

/** One bit of the body is the other one. */
export const flipBit = (at: number): Fault =>
  changeBody((bytes) => bytes.map((byte, position) => (position === at ? byte ^ 1 : byte)));

/** Ends early, and says that this is all. */
export const truncate = (length: number): Fault => changeBody((bytes) => bytes.subarray(0, length));

/** Spaces, which may come before any JSON, for as long as the client reads. */
export const neverEnd = (): Fault => async (call, pass) => {
  const { headers, ...answer } = await pass(call);
  const { "content-length": _, ...rest } = headers;
  return { ...answer, headers: rest, body: endless() };
};

/** The connection ends after so many bytes of the body. */
export const cutAfter = (length: number): Fault =>
  changeStream((body) =>
    interruptAt(body, length, async () => {
      throw new Cut(`cut after ${length} bytes`);
    }),
  );

/** The body stops after so many bytes until it may go on. */
export const stallAfter = (length: number, gate: Gate): Fault =>
  changeStream((body, { signal }) => interruptAt(body, length, () => gate.pass(signal)));

/** At most so many bytes at a time, each time when it may go on. */
export const slow = (length: number, gate: Gate): Fault =>
  changeStream((body, { signal }) => paced(body, length, () => gate.pass(signal)));

type ChangeStream = (body: AsyncIterable<Uint8Array>, call: Call) => AsyncIterable<Uint8Array>;

const changeStream =
  (change: ChangeStream): Fault =>
  async (call, pass) => {
    const answer = await pass(call);
    return { ...answer, body: change(answer.body, call) };
  };

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* endless(): AsyncGenerator<Uint8Array> {
  const spaces = Buffer.alloc(16 << 10, " ");
  while (true) yield spaces;
}

/** Before the byte at this place, and only if there is one. */
async function* interruptAt(
  body: AsyncIterable<Uint8Array>,
  at: number,
  interrupt: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let left = at;
  for await (const chunk of body) {
    if (left >= 0 && left < chunk.length) {
      yield chunk.subarray(0, left);
      await interrupt();
      yield chunk.subarray(left);
    } else yield chunk;
    left -= chunk.length;
  }
}

async function* paced(
  body: AsyncIterable<Uint8Array>,
  length: number,
  pace: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body)
    for (let at = 0; at < chunk.length; at += length) {
      await pace();
      yield chunk.subarray(at, at + length);
    }
}
