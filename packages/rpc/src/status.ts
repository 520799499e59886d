// Kinds of error and gRPC's status codes: the only table of them.
import { BerthError, type ErrorKind } from "@berth/base";

/** google.rpc.Status as numbers and text. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
}

const codes: Readonly<Record<ErrorKind, number>> = {
  canceled: 1,
  unknown: 2,
  "invalid-argument": 3,
  "deadline-exceeded": 4,
  "not-found": 5,
  "already-exists": 6,
  "permission-denied": 7,
  "resource-exhausted": 8,
  "failed-precondition": 9,
  aborted: 10,
  "out-of-range": 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  "data-loss": 15,
  unauthenticated: 16,
};

export const codeOf = (kind: ErrorKind): number => codes[kind];

/** The kind of a code; codes that nobody has defined are unknown. */
export function kindOfCode(code: number): ErrorKind {
  for (const [kind, value] of Object.entries(codes)) if (value === code) return kind as ErrorKind;
  return "unknown";
}

/** The status of whatever a handler threw. */
export function statusOf(error: unknown): RpcStatus {
  if (error instanceof BerthError) return { code: codes[error.kind], message: error.message };
  return { code: codes.unknown, message: error instanceof Error ? error.message : String(error) };
}

/** The error that a status stands for. */
export const errorOf = (status: RpcStatus): BerthError => new BerthError(kindOfCode(status.code), status.message);
