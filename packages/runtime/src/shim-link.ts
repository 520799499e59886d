// The way to a shim for as long as there is a shim: one connection at a time, made again when it breaks
// (a shim that replaces itself drops its connections), until nobody answers at its address any more.
import { type Log, messageOf, unavailable } from "@berth/base";
import { NobodyListens } from "@berth/transport";
import type { Bootstrap } from "./bootstrap-reply.ts";
import type { Dial, ShimConnection, TaskClient } from "./shim-connection.ts";

export interface ShimLink {
  readonly bootstrap: Bootstrap;
  /**
   * Calls the shim. Throws what the shim answers, unavailable where the connection breaks meanwhile.
   * With `again`, a call that broke is made once more on each new connection.
   */
  call<T>(run: (task: TaskClient) => Promise<T>, options?: { again?: boolean }): Promise<T>;
  /** True once nobody answers any more, or after `close`. */
  readonly over: boolean;
  /** Connects where there is no connection; whether there is one now. */
  isReachable(): Promise<boolean>;
  /** Resolves when the present connection has gone. */
  disconnected(): Promise<void>;
  /** The shim was told to end: when the connection goes, it has. */
  expectEnd(): void;
  /** Lets go of the shim; `onGone` is not called. */
  close(): void;
}

export interface ShimLinkOptions {
  readonly bootstrap: Bootstrap;
  readonly dial: Dial;
  readonly dialTimeoutMs: number;
  readonly log: Log;
  /** The first connection, where it was made already. */
  readonly connection: ShimConnection | null;
  /** Called once, when the shim has ended without `close`. */
  onGone(): void;
}

/** A shim that breaks more connections than this without a quiet minute is taken for gone. */
const BREAKS = 10;
const QUIET_MS = 60_000;

export function createShimLink(options: ShimLinkOptions): ShimLink {
  const { bootstrap, dial, dialTimeoutMs, log, onGone } = options;
  let current: Promise<ShimConnection> | null = null;
  let over = false;
  let ending = false;
  let breaks = 0;
  let quiet: NodeJS.Timeout | null = null;

  const giveUp = () => {
    if (over) return;
    over = true;
    if (quiet !== null) clearTimeout(quiet);
    onGone();
  };
  const adopt = (connection: ShimConnection) => {
    const made = Promise.resolve(connection);
    current = made;
    connection.onClose(() => {
      if (current === made) current = null;
      if (!over) onBreak();
    });
    return connection;
  };
  const onBreak = () => {
    breaks++;
    quiet?.refresh();
    quiet ??= setTimeout(() => {
      breaks = 0;
      quiet = null;
    }, QUIET_MS);
    quiet.unref();
    if (ending || breaks > BREAKS) giveUp();
    // One try, whether or not anybody is calling: a shim that has ended is noticed at once.
    else
      connected().catch((err) => {
        if (!over) log.warn("a shim has dropped its connection", { address: bootstrap.address, err: messageOf(err) });
      });
  };
  const connected = (): Promise<ShimConnection> => {
    if (over) return Promise.reject(goneError());
    current ??= dial(bootstrap, dialTimeoutMs).then(
      (connection) => {
        if (!over) return adopt(connection);
        connection.close();
        throw goneError();
      },
      (error: unknown) => {
        current = null;
        if (error instanceof NobodyListens) {
          giveUp();
          throw goneError();
        }
        throw error;
      },
    );
    return current;
  };
  const goneError = () => unavailable(`the shim at ${bootstrap.address} has ended`);

  if (options.connection !== null) adopt(options.connection);
  return {
    bootstrap,
    get over() {
      return over;
    },
    isReachable: () =>
      connected().then(
        () => true,
        () => false,
      ),
    async call(run, { again = false } = {}) {
      for (;;) {
        const connection = await connected();
        try {
          return await run(connection.task);
        } catch (error) {
          if (!connection.closed || !again || over) throw error;
        }
      }
    },
    async disconnected() {
      const connection = await current?.catch(() => null);
      if (connection) await new Promise<void>((resolve) => connection.onClose(resolve));
    },
    expectEnd() {
      ending = true;
    },
    close() {
      over = true;
      if (quiet !== null) clearTimeout(quiet);
      // What is still being dialed closes itself when it is there.
      current?.then(
        (connection) => connection.close(),
        () => undefined,
      );
    },
  };
}
