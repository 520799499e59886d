// How a shim's binary is called: `start` makes it serve a container, `delete` cleans up after one that is gone.
import { BerthError, messageOf, unknownError } from "@berth/base";
import type { CommandResult, RunCommand } from "@berth/helper";
import { DecodeError } from "@berth/proto";
import { DeleteResponse } from "@berth/proto/containerd/task/v2";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import { Any } from "@berth/proto/google/protobuf";
import type { Bundle } from "./bundle.ts";
import { LAUNCH_VARIABLE } from "./launched-processes.ts";
import type { Exit } from "./types.ts";
import { toExit } from "./wire.ts";

/** What every shim is told about us. */
export interface ShimSetting {
  readonly grpcAddress: string;
  readonly ttrpcAddress: string;
  readonly publishBinary: string;
  readonly daemonVersion: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly run: RunCommand;
}

export interface ShimCall {
  readonly shim: string;
  readonly bundle: Bundle;
  readonly launchId: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

function run(setting: ShimSetting, call: ShimCall, action: string, input: Uint8Array | null): Promise<CommandResult> {
  const { namespace, id, path } = call.bundle;
  return setting.run({
    file: call.shim,
    // biome-ignore format: pairs
    args: [
      "-namespace", namespace, "-address", setting.grpcAddress, "-publish-binary", setting.publishBinary,
      "-id", id, "-bundle", path, action,
    ],
    cwd: path,
    env: {
      ...setting.environment,
      GOMAXPROCS: "2",
      MAX_SHIM_VERSION: "2",
      TTRPC_ADDRESS: setting.ttrpcAddress,
      GRPC_ADDRESS: setting.grpcAddress,
      NAMESPACE: namespace,
      [LAUNCH_VARIABLE]: call.launchId,
    },
    input,
    timeoutMs: call.timeoutMs,
    ...(call.signal !== undefined && { signal: call.signal }),
  });
}

/** The shim has ended by itself, with a status that is not 0. */
export class ShimRefusal extends BerthError {}

/** Runs `start`; what it prints on stdout is its reply. Throws unknown with what it says where it fails, ShimRefusal where it ends with a status. */
export async function startShim(setting: ShimSetting, call: ShimCall, input: Uint8Array | null): Promise<Buffer> {
  const result = await run(setting, call, "start", input).catch((cause) => {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw unknownError(`failed to start shim: ${call.shim} cannot be run: ${messageOf(cause)}`, { cause });
  });
  if (result.status === 0) return result.stdout;
  const message = `failed to start shim: ${call.shim}: ${saidBy(result)}`;
  throw result.status === null ? unknownError(message) : new ShimRefusal("unknown", message);
}

/** Runs `delete`: kills and removes what is left of the container. Throws unknown where it fails. */
export async function deleteByShim(setting: ShimSetting, call: ShimCall): Promise<Exit> {
  const result = await run(setting, call, "delete", null);
  if (result.status !== 0) throw unknownError(`shim ${call.shim} failed to clean up: ${saidBy(result)}`);
  // Nothing at all would decode as "exited with 0 at no time", which it does not mean.
  if (result.stdout.length === 0) throw unknownError(`shim ${call.shim} cleaned up and printed no exit status`);
  return toExit(DeleteResponse.decode(result.stdout));
}

/** Asks a shim what it is; `options` are those of its runtime. Throws unknown where it cannot tell. */
export async function askShim(
  { environment, run: runIt }: ShimSetting,
  shim: string,
  options: Any | null,
  timeoutMs: number,
): Promise<RuntimeInfo> {
  const input = options === null ? new Uint8Array(0) : Any.encode(options);
  const result = await runIt({ file: shim, args: ["-info"], env: { ...environment }, input, timeoutMs });
  if (result.status !== 0) throw unknownError(`failed to run [${shim} -info]: ${saidBy(result)}`);
  try {
    return RuntimeInfo.decode(result.stdout);
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw unknownError(`what ${shim} -info says cannot be understood: ${cause.message}`, { cause });
  }
}

function saidBy({ status, stdout, stderr }: CommandResult): string {
  const text = `${stdout.toString("utf8")}${stderr.toString("utf8")}`.trim();
  const how = status === null ? "it was killed" : `exit status ${status}`;
  return text === "" ? how : `${how}: ${text.slice(0, 2_048)}`;
}
