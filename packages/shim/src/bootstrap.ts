// What a daemon says to `start` on stdin, and what it wants to hear: containerd 2.3 and later send
// BootstrapParams and read BootstrapResult; those before send the runtime's options as an Any, or nothing, and
// read the plain address.
import { messageOf, unknownError } from "@berth/base";
import { isType } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { BootstrapParams, BootstrapResult } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { Any } from "@berth/proto/google/protobuf";

export interface StartInput {
  readonly bootstrap: BootstrapParams | null;
  /** null where the daemon sent none, or options of another runtime. */
  readonly options: Options | null;
}

/** Neither kind of message throws here: garbage counts as no options, as nothing else is needed from it. */
export function parseStartInput(bytes: Uint8Array, id: string, namespace: string): StartInput {
  if (bytes.length === 0) return { bootstrap: null, options: null };
  const bootstrap = attempt(() => BootstrapParams.decode(bytes));
  // Both messages begin with two strings; only BootstrapParams repeats what the flags say.
  if (bootstrap && bootstrap.instanceId === id && bootstrap.namespace === namespace) {
    const any = bootstrap.extensions.map((extension) => extension.value).find((value) => value && isOptions(value));
    return { bootstrap, options: any ? decodeOptions(any) : null };
  }
  const any = attempt(() => Any.decode(bytes));
  return { bootstrap: null, options: any ? decodeOptions(any) : null };
}

const isOptions = (any: Any): boolean => isType(any, Options);

/**
 * The options of a request, null for none. What cannot be understood is refused, but for what CRI sends to runtimes
 * that it does not know.
 */
export function optionsOfRequest(any: Any | null): Options | null {
  if (any === null || any.value.length === 0 || isType(any, { typeName: "runtimeoptions.v1.Options" })) return null;
  if (!isOptions(any)) throw unknownError(`type with url ${any.typeUrl}: not found: unknown`);
  try {
    return Options.decode(any.value);
  } catch (error) {
    throw unknownError(`runtime options cannot be read: ${messageOf(error)}: unknown`, { cause: error });
  }
}

/** null for an absent or empty Any and for one that holds another type. */
export const decodeOptions = (any: Any | null): Options | null =>
  any && isOptions(any) ? attempt(() => Options.decode(any.value)) : null;

function attempt<T>(decode: () => T): T | null {
  try {
    return decode();
  } catch {
    return null; // not this message: the callers above try the other
  }
}

/** Sandboxes of containerd 2.0 and later have their bundles below this; those of 1.7 are where tasks are. */
const SANDBOX_BUNDLES = "/io.containerd.sandbox.controller.v1.shim/";

/**
 * What `start` prints. The plain address is understood by all, and stands for version 2 of the task API. Where the
 * daemon must be one that knows more, it is told of version 3: containers of a sandbox then join by its socket, without
 * a `start` of their own. Nothing else tells the daemons before 2.3 apart (MAX_SHIM_VERSION is 2 in all of them).
 */
export function startReply(input: StartInput, address: string, bundle: string): Uint8Array {
  if (input.bootstrap === null)
    return new TextEncoder().encode(
      bundle.includes(SANDBOX_BUNDLES) ? JSON.stringify({ version: 3, address, protocol: "ttrpc" }) : address,
    );
  return BootstrapResult.encode({ version: 3, address, protocol: "ttrpc" });
}
