/** What peers may make us keep. */
export interface Limits {
  /**
   * Connections of one server. One more closes the oldest that has never sent a whole request; where each has, it is
   * itself closed.
   */
  readonly maxConnections: number;
  /** Calls under way on one connection; one more is answered resource-exhausted. */
  readonly maxCalls: number;
  /** Bytes of requests under way on one connection; more are answered resource-exhausted. */
  readonly maxRequestBytes: number;
  /** Bytes of stream messages on one connection that have arrived and nobody has read. */
  readonly maxReceiveBytes: number;
  /** Bytes written and not taken by the peer: a server closes the connection, a client refuses the call. */
  readonly maxPendingBytes: number;
  /**
   * Bytes that all connections of one server hold, of what came and of what was not taken; more closes the connections
   * that have finished nothing for longest. Not heeded by servers without streams.
   */
  readonly maxHeldBytes: number;
  /**
   * Whether nothing is read from a connection while a stream's reader is behind, however long that takes. Otherwise, as
   * in Go, the other streams go on and that one fails after a second. For a server whose peers have a connection for
   * each upload, and a client that writes what it gets to a pipe.
   */
  readonly waitsForReaders: boolean;
}

export const defaultLimits: Limits = {
  maxConnections: 1024,
  maxCalls: 4096,
  maxRequestBytes: 64 << 20,
  maxReceiveBytes: 16 << 20,
  maxPendingBytes: 64 << 20,
  maxHeldBytes: 128 << 20,
  waitsForReaders: false,
};

/** A stream waits with its next message while more than this is unsent on its connection. */
export const SEND_WINDOW = 1 << 20;
/** Messages that a stream's reader may leave lying, as in Go's peers. */
export const STREAM_MESSAGES = 64;
/** A stream whose reader takes nothing for so long while there is too much for it fails, as in Go's peers. */
export const STREAM_FULL_MS = 1000;
