// What a shim answers, in the words in which containerd passes it on: clients of containerd take the ending off again
// to tell the kind of error (errdefs), and match what is left.
import { BerthError, type ErrorKind, kindOf, messageOf } from "@berth/base";

/** Kinds that are passed on; what is not listed is unknown. */
const endings: Partial<Record<ErrorKind, string>> = {
  "invalid-argument": "invalid argument",
  "not-found": "not found",
  "already-exists": "already exists",
  "failed-precondition": "failed precondition",
  unimplemented: "not implemented",
};

/** These come from the connection, not from the shim: they keep their words. */
const own: readonly ErrorKind[] = ["unavailable", "deadline-exceeded", "canceled"];

/** The error with containerd's ending, once; `doing` is what failed: "failed to create shim task". */
export function asContainerdSays(error: unknown, doing = ""): unknown {
  const kind = kindOf(error);
  if (!(error instanceof BerthError) || own.includes(kind)) return error;
  const ending = endings[kind] ?? "unknown";
  const said = messageOf(error);
  const text = said.endsWith(`: ${ending}`) ? said : `${said}: ${ending}`;
  const whole = doing === "" || text.startsWith(`${doing}: `) ? text : `${doing}: ${text}`;
  return new BerthError(endings[kind] === undefined ? "unknown" : kind, whole, { cause: error });
}

/** The texts are containerd's. */
export const noTask = (id: string): BerthError => new BerthError("not-found", `task ${id} not found`);
export const taskExists = (id: string): BerthError => new BerthError("already-exists", `task ${id}: already exists`);

/** The shim has not answered in time, or not taken the call. */
export const isSilence = (error: unknown): boolean => ["deadline-exceeded", "unavailable"].includes(kindOf(error));
