// The CRI's options of a pod, as far as a shim looks at them.
import { Kind, type MessageType, message } from "@berth/proto";
import type { Random } from "./random.ts";
import { hostileStrings } from "./random-message.ts";

const namespaces = message("runtime.v1.NamespaceOption", ["pid", 2, Kind.int32, null, "ipc", 3, Kind.int32, null]);
const security = message("runtime.v1.LinuxSandboxSecurityContext", ["namespaceOptions", 1, Kind.message, namespaces]);
const linux = message("runtime.v1.LinuxPodSandboxConfig", [
  ...["cgroupParent", 1, Kind.string, null],
  ...["securityContext", 2, Kind.message, security],
]);
const podConfig = message("runtime.v1.PodSandboxConfig", [
  ...["hostname", 2, Kind.string, null],
  ...["linux", 8, Kind.message, linux],
]);

/** The message and its value. */
export function podOptions(random: Random): [type: MessageType<object>, value: object] {
  const mode = () => random.pick([0, 1, 2, 3, -1, 0x7fffffff]);
  const linuxOf = () => ({
    cgroupParent: random.pick(["", "/", "/", "/", "/none", "a-b.slice", "..", ...hostileStrings]),
    securityContext: random.chance(0.7) ? { namespaceOptions: { pid: mode(), ipc: mode() } } : null,
  });
  return [podConfig, { hostname: random.pick(hostileStrings), linux: random.chance(0.8) ? linuxOf() : null }];
}
