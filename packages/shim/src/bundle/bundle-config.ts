// The few things that a shim needs to know of config.json (OCI runtime specification).
import { plainPaths } from "@berth/base";

export interface BundleConfig {
  /** Containers with the same group share one shim; empty: a shim of its own. */
  readonly group: string;
  /** Whether init has a PID namespace that dies with it. */
  readonly privatePids: boolean;
  /** Whether its cgroup is written as systemd's: `system.slice:docker:ID`. */
  readonly systemdCgroup: boolean;
  /** Of the root file system, absolute or in the bundle; empty if it is not given. */
  readonly root: string;
  /** Paths in it that the runtime follows from the host. */
  readonly plainPaths: readonly string[];
}

/** First match wins (containerd's runc shim). */
const groupAnnotations = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];

/**
 * Throws SyntaxError where the text is not JSON. What is not of the right type counts as absent: the runtime says
 * better what is wrong with it.
 */
export function parseBundleConfig(text: string): BundleConfig {
  const spec = membersOf(JSON.parse(text));
  const annotations = membersOf(spec.annotations);
  const group = groupAnnotations.map((key) => annotations[key]).find((value) => typeof value === "string");
  const { namespaces, cgroupsPath } = membersOf(spec.linux);
  const { path } = membersOf(spec.root);
  const pids = (Array.isArray(namespaces) ? namespaces : []).map(membersOf).find(({ type }) => type === "pid");
  return {
    group: typeof group === "string" ? group : "",
    privatePids: pids !== undefined && !pids.path,
    systemdCgroup: typeof cgroupsPath === "string" && /^[^/:]+\.slice:[^/:]*:[^/:]+$/.test(cgroupsPath),
    root: typeof path === "string" ? path : "",
    plainPaths: plainPaths(spec),
  };
}

const membersOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
