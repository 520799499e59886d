// Writes down every event of a namespace, from before the first container on.
import { randomUUID } from "node:crypto";
import type { GrpcConnection } from "@berth/grpc";
import { eventTypes, isType } from "@berth/proto";
import { Events } from "@berth/proto/containerd/services/events/v1";

/** Far more than an event takes. */
const HANG_MS = 120_000;

export interface Seen {
  readonly topic: string;
  readonly event: Readonly<Record<string, unknown>>;
  /** When the daemon says that it happened. */
  readonly stamped: boolean;
}

export interface Recorder extends Disposable {
  readonly seen: readonly Seen[];
  /** Of one container, in the order of arrival. */
  of(id: string): Seen[];
  /** `create`, `exec-started e1`, `exit e1`, `exit`… */
  story(id: string): string[];
  /** The first event of the container that fits, seen or to come. */
  until(id: string, what: string): Promise<Seen>;
}

/** Resolves once events arrive. */
export async function recordEvents(connection: GrpcConnection, namespace: string): Promise<Recorder> {
  const seen: Seen[] = [];
  const stop = new AbortController();
  const mark = randomUUID();
  const events = connection.service(Events);
  let wake = Promise.withResolvers<void>();
  const listening = Promise.withResolvers<void>();
  const stream = events.subscribe({ filters: [`namespace==${namespace}`] }, { signal: stop.signal });
  const read = async () => {
    for await (const { topic, event, timestamp } of stream) {
      if (topic === "/test/listening") listening.resolve();
      const type = event === null ? undefined : eventTypes.find((candidate) => isType(event, candidate));
      if (event === null || type === undefined) continue;
      seen.push({ topic, event: type.decode(event.value) as never, stamped: (timestamp?.seconds ?? 0) > 0 });
      wake.resolve();
      wake = Promise.withResolvers();
    }
  };
  read().catch((error) => {
    if (!stop.signal.aborted) listening.reject(error); // later breaks are seen as events that never come
  });
  // Nothing tells that a subscription stands: it does when an event of ours comes back.
  const probe = setInterval(() => {
    const event = { typeUrl: "test.Listening", value: new TextEncoder().encode(mark) };
    void events.publish({ topic: "/test/listening", event }, { namespace }).catch(listening.reject);
  }, 20);
  await listening.promise.finally(() => clearInterval(probe));

  const of = (id: string) => seen.filter(({ topic, event }) => topic.startsWith("/tasks/") && event.containerId === id);
  const nameOf = (id: string, { topic, event }: Seen): string => {
    const exec = topic === "/tasks/exit" && event.id !== id ? event.id : (event.execId ?? "");
    return `${topic.slice("/tasks/".length)}${exec === "" ? "" : ` ${exec}`}`;
  };
  return {
    seen,
    of,
    story: (id) => of(id).map((each) => nameOf(id, each)),
    async until(id, what) {
      const late = AbortSignal.timeout(HANG_MS);
      for (;;) {
        const found = of(id).find((each) => nameOf(id, each) === what);
        if (found !== undefined) return found;
        if (late.aborted) throw new Error(`no event ${what} of ${id}, but ${of(id).map((each) => nameOf(id, each))}`);
        const { promise } = wake;
        await new Promise<void>((done) => {
          void promise.then(done);
          late.addEventListener("abort", () => done(), { once: true });
        });
      }
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}
