// A service with a method of each shape, and one that does what a test tells it to.
import { BerthError, type Log, silent } from "@berth/base";
import { type Method, message } from "@berth/proto";
import { type Call, type Registration, register, type ServiceImpl } from "@berth/rpc";

export interface Note {
  text: string;
  count: number;
  data: Uint8Array;
}
export const Note = message<Note>("test.Note", ["text", 1, 6, null, "count", 2, 1, null, "data", 3, 7, null]);

const method = <K extends Method["kind"]>(kind: K, name: string): Method<K, Note, Note> => ({
  kind,
  name,
  input: Note,
  output: Note,
});

export const Echo = {
  typeName: "test.Echo",
  methods: {
    echo: method("unary", "Echo"),
    wait: method("unary", "Wait"),
    count: method("server-streaming", "Count"),
    sum: method("client-streaming", "Sum"),
    chat: method("bidi-streaming", "Chat"),
  },
};

/** A wait that ends when the test says so, or the call is aborted. */
export interface Gate {
  readonly call: Call;
  open(): void;
}

export class EchoServer {
  /** The calls of Wait, in order of arrival. */
  readonly waiting: Gate[] = [];
  /** Reasons why calls were aborted. */
  readonly aborted: string[] = [];
  readonly lastCalls: Call[] = [];
  #arrived: (() => void)[] = [];

  get registration(): Registration {
    return register(Echo, this.impl);
  }

  /** Resolves when so many calls of Wait are there. */
  async arrived(count: number): Promise<void> {
    while (this.waiting.length < count) await new Promise<void>((resolve) => this.#arrived.push(resolve));
  }

  get impl(): ServiceImpl<typeof Echo> {
    const server = this;
    return {
      echo(request, call) {
        server.lastCalls.push(call);
        if (request.text === "not found") throw new BerthError("not-found", `note "x": not found`);
        if (request.text === "bug") throw new TypeError("a bug");
        if (request.text === "huge") return { data: new Uint8Array(request.count) };
        return request;
      },
      wait(request, call) {
        return new Promise((resolve, reject) => {
          server.waiting.push({ call, open: () => resolve(request) });
          call.signal.addEventListener("abort", () => {
            server.aborted.push((call.signal.reason as Error).message);
            reject(call.signal.reason);
          });
          const arrived = server.#arrived;
          server.#arrived = [];
          for (const wake of arrived) wake();
        });
      },
      async *count(request, call) {
        try {
          for (let i = 0; i < request.count; i++) {
            if (call.signal.aborted) return;
            yield { count: i, data: request.data };
          }
          if (request.text === "then fail") throw new BerthError("data-loss", "the rest is gone");
        } finally {
          if (call.signal.aborted) server.aborted.push((call.signal.reason as Error).message);
        }
      },
      async sum(requests) {
        let count = 0;
        for await (const request of requests) count += request.count;
        return { count };
      },
      async *chat(requests) {
        for await (const request of requests) {
          yield { text: `re: ${request.text}`, count: request.count };
          if (request.text === "bye") return;
          if (request.text === "fail") throw new BerthError("aborted", "the talk is over");
        }
        yield { text: "closed" };
      },
    };
  }
}

/** A log that keeps what is said at warn and error. */
export function keepingLog(lines: string[]): Log {
  return {
    ...silent,
    warn: (sentence) => lines.push(sentence),
    error: (sentence, fields) => lines.push(`${sentence}: ${fields?.err}`),
    with: () => keepingLog(lines),
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}
