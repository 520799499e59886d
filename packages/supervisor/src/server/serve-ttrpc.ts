import type { Log } from "@berth/base";
import type { Registration } from "@berth/rpc";
import { listen, type SocketOwner } from "@berth/transport";
import { createServer } from "@berth/ttrpc";

/** Something that listens, until it is told to stop. */
export interface Listening {
  /** Takes no more calls, waits for those under way up to the milliseconds, then ends them. */
  stop(graceMs: number): Promise<void>;
}

/** Serves the registrations over ttrpc at a unix socket. */
export async function serveTtrpc(
  path: string,
  registrations: readonly Registration[],
  owner: SocketOwner,
  log: Log,
): Promise<Listening> {
  const server = createServer({ registrations, log, limits: { waitsForReaders: true } });
  const listener = await listen(path, owner, {
    accept: (stream) => server.accept(stream),
    failed: (err) => log.error("the ttrpc socket has failed", { address: path, err }),
  });
  return {
    async stop(graceMs) {
      listener[Symbol.dispose]();
      await server.shutdown(graceMs);
    },
  };
}
