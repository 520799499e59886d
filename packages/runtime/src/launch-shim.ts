import { type Log, messageOf, unknownError } from "@berth/base";
import { BootstrapParams } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { Any } from "@berth/proto/google/protobuf";
import { type Bootstrap, parseBootstrapReply } from "./bootstrap-reply.ts";
import { type ShimCall, ShimRefusal, type ShimSetting, startShim } from "./shim-command.ts";

/** What a shim reads from stdin: an Any of the runtime's options (until containerd 2.2), or BootstrapParams. */
type InputForm = "options" | "params";

export type LaunchShim = (call: ShimCall, options: Any | null) => Promise<Bootstrap>;

/**
 * Launches shims of any generation. A shim does not say what it wants to read; those that want BootstrapParams
 * refuse anything else before they do anything, and so do those that want options. The older form is tried first with a
 * shim that was never launched, the newer one where that is refused, and what it takes is remembered.
 */
export function createLauncher(setting: ShimSetting, log: Log): LaunchShim {
  const forms = new Map<string, InputForm>();

  const start = async (call: ShimCall, options: Any | null, form: InputForm): Promise<Buffer> => {
    const reply = await startShim(setting, call, inputOf(setting, call, options, form));
    forms.set(call.shim, form);
    return reply;
  };
  return async (call, options) => {
    const form = forms.get(call.shim);
    const reply = await start(call, options, form ?? "options").catch(async (error: unknown) => {
      if (form !== undefined || !(error instanceof ShimRefusal)) throw error;
      log.debug("a shim is launched again with bootstrap parameters", { path: call.shim });
      return await start(call, options, "params").catch((again: unknown) => {
        // It refuses both forms, or the launch itself: the first error is the one in the form that most shims know.
        throw again instanceof ShimRefusal ? error : again;
      });
    });
    try {
      return parseBootstrapReply(reply);
    } catch (cause) {
      throw unknownError(`shim ${call.shim} was started, but ${messageOf(cause)}`, { cause });
    }
  };
}

function inputOf(setting: ShimSetting, call: ShimCall, options: Any | null, form: InputForm): Uint8Array | null {
  if (form === "options") return options === null ? null : Any.encode(options);
  return BootstrapParams.encode({
    instanceId: call.bundle.id,
    namespace: call.bundle.namespace,
    containerdVersion: setting.daemonVersion,
    containerdTtrpcAddress: setting.ttrpcAddress,
    containerdGrpcAddress: setting.grpcAddress,
    containerdBinary: setting.publishBinary,
    extensions: options === null ? [] : [{ value: options }],
  });
}
