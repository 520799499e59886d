// What a sandbox is asked to share with the host. Kubernetes says it in the options of CreateSandbox.
import { isType, Kind, type MessageType, message } from "@berth/proto";
import type { Any } from "@berth/proto/google/protobuf";

export interface SandboxConfig {
  /** Empty: the host's. */
  readonly hostname: string;
  /** Cgroup of the whole pod; empty where nobody has named one. */
  readonly cgroupParent: string;
  readonly hostPids: boolean;
  readonly hostIpc: boolean;
}

/** NamespaceMode.NODE of the CRI. */
const NODE = 2;

interface NamespaceOption {
  pid: number;
  ipc: number;
}

interface PodSandboxConfig {
  hostname: string;
  linux: { cgroupParent: string; securityContext: { namespaceOptions: NamespaceOption | null } | null } | null;
}

/** The few fields that matter here of runtime.v1.PodSandboxConfig (api.proto of the CRI); made when first needed. */
function podSandboxConfig(): MessageType<PodSandboxConfig> {
  const part = (name: string, ...fields: Parameters<typeof message>[1]) => message(`runtime.v1.${name}`, fields);
  const namespaces = part("NamespaceOption", "pid", 2, Kind.int32, null, "ipc", 3, Kind.int32, null);
  const security = part("LinuxSandboxSecurityContext", "namespaceOptions", 1, Kind.message, namespaces);
  const cgroup = ["cgroupParent", 1, Kind.string, null] as const;
  const linux = part("LinuxPodSandboxConfig", ...cgroup, "securityContext", 2, Kind.message, security);
  const hostname = ["hostname", 2, Kind.string, null] as const;
  return message("runtime.v1.PodSandboxConfig", [...hostname, "linux", 8, Kind.message, linux]);
}

/** Options that are of another type, or absent, ask for nothing. Throws DecodeError where they are damaged. */
export function parseSandboxConfig(options: Any | null): SandboxConfig {
  const type = podSandboxConfig();
  const known = options !== null && isType(options, type);
  const { hostname, linux } = type.decode(known ? options.value : new Uint8Array(0));
  const modes = linux?.securityContext?.namespaceOptions;
  return {
    hostname,
    cgroupParent: linux?.cgroupParent ?? "",
    hostPids: modes?.pid === NODE,
    hostIpc: modes?.ipc === NODE,
  };
}
