// The kinds of error that callers tell apart. Wire codes appear in one place only (packages/rpc).

export type ErrorKind =
  | "canceled"
  | "unknown"
  | "invalid-argument"
  | "deadline-exceeded"
  | "not-found"
  | "already-exists"
  | "permission-denied"
  | "resource-exhausted"
  | "failed-precondition"
  | "aborted"
  | "out-of-range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data-loss"
  | "unauthenticated";

/** An error with a kind. The message is one sentence for a person: what, which one, what to do. */
export class BerthError extends Error {
  override name = "BerthError";
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

const of =
  (kind: ErrorKind) =>
  (message: string, options?: { cause?: unknown }): BerthError =>
    new BerthError(kind, message, options);

export const canceled = /* @__PURE__ */ of("canceled");
export const unknownError = /* @__PURE__ */ of("unknown");
export const invalidArgument = /* @__PURE__ */ of("invalid-argument");
export const deadlineExceeded = /* @__PURE__ */ of("deadline-exceeded");
export const permissionDenied = /* @__PURE__ */ of("permission-denied");
export const resourceExhausted = /* @__PURE__ */ of("resource-exhausted");
export const failedPrecondition = /* @__PURE__ */ of("failed-precondition");
export const aborted = /* @__PURE__ */ of("aborted");
export const outOfRange = /* @__PURE__ */ of("out-of-range");
export const unimplemented = /* @__PURE__ */ of("unimplemented");
export const internalError = /* @__PURE__ */ of("internal");
export const unavailable = /* @__PURE__ */ of("unavailable");
export const dataLoss = /* @__PURE__ */ of("data-loss");

/** `notFound("container", "web")` says: container "web": not found. */
export const notFound = (what: string, id: string): BerthError =>
  new BerthError("not-found", `${what} ${JSON.stringify(id)}: not found`);

/** `alreadyExists("container", "web")` says: container "web": already exists. */
export const alreadyExists = (what: string, id: string): BerthError =>
  new BerthError("already-exists", `${what} ${JSON.stringify(id)}: already exists`);

/** The kind of anything that was thrown; what is not a BerthError is unknown. */
export const kindOf = (error: unknown): ErrorKind => (error instanceof BerthError ? error.kind : "unknown");

export const isNotFound = (error: unknown): boolean => kindOf(error) === "not-found";
export const isAlreadyExists = (error: unknown): boolean => kindOf(error) === "already-exists";

/** The text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
