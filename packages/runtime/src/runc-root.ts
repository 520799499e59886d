import { basename } from "node:path";
import { isType, packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { Any } from "@berth/proto/google/protobuf";

/** Shims that drive runc or its like, and read containerd.runc.v1.Options. */
const drivesRunc = new Set(["containerd-shim-runc-v2", "containerd-shim-berth-v2"]);

/**
 * The options with the directory where the OCI runtime keeps its state, unless they name one. A shim's own default
 * is one directory for the whole machine, where containers of two supervisors would meet by their ids.
 */
export function withRuncRoot(shim: string, options: Any | null, root: string): Any | null {
  if (!drivesRunc.has(basename(shim))) return options;
  if (options === null || options.value.length === 0) return packAny(Options, { root });
  if (!isType(options, Options) || Options.decode(options.value).root !== "") return options;
  // Two messages one behind the other are their merge, and fields that we do not know stay.
  return { typeUrl: options.typeUrl, value: Buffer.concat([options.value, Options.encode({ root })]) };
}
