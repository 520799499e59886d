// `-info` and `-v`: what this shim is.
import { environ, run } from "@berth/host";
import { typeUrls } from "@berth/proto";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import { Any } from "@berth/proto/google/protobuf";
import { decodeOptions } from "../bootstrap.ts";
import { runtimeEnvironment } from "../runtime/runc.ts";
import { VERSION } from "../version.ts";

export const RUNTIME_NAME = "io.containerd.berth.v2";

/** The bytes for stdout; `input` is an Any of the runtime's options, or empty. */
export async function infoCommand(input: Uint8Array): Promise<Uint8Array> {
  const options = input.length === 0 ? null : Any.decode(input);
  const binary = decodeOptions(options)?.binaryName || "runc";
  return RuntimeInfo.encode({
    name: RUNTIME_NAME,
    version: { version: VERSION, revision: "" },
    options,
    features: await featuresOf(binary),
  });
}

/** null where the runtime is missing, or too old to say (runc before 1.1, crun before 1.8.6). */
async function featuresOf(binary: string): Promise<Any | null> {
  try {
    const result = await run({ argv: [binary, "features"], env: runtimeEnvironment(environ()), timeoutMs: 10_000 });
    return result.status === 0 ? { typeUrl: typeUrls.features, value: result.stdout } : null;
  } catch {
    return null;
  }
}

/** In the words of containerd's shims, which daemons and people look at. */
export const versionText = (program: string): string =>
  `${program}:\n  Version:  ${VERSION}\n  Revision: \n  Go version: none (QuickJS)\n\n`;
