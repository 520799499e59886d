// What peers may keep of this process: one of them, and all together.

export interface GrpcLimits {
  readonly connections: number;
  /** Open calls of one connection. A dockerd has one for each container that it waits for. */
  readonly connectionCalls: number;
  /** Open calls of all connections. */
  readonly calls: number;
  /** Bytes of requests that have not come to their end, or that no handler has taken. */
  readonly requestBytes: number;
  /** Bytes of answers that one connection has not read. */
  readonly connectionAnswerBytes: number;
}

export const defaultLimits: GrpcLimits = {
  connections: 4096,
  connectionCalls: 8192,
  calls: 16_384,
  requestBytes: 256 << 20,
  connectionAnswerBytes: 64 << 20,
};

/** Counts bytes that are held. */
export class Held {
  bytes = 0;
}
