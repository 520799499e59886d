// The few things that a shim needs to know of config.json (OCI runtime specification).
export interface BundleConfig {
  /** Containers with the same group share one shim; empty: a shim of its own. */
  readonly group: string;
  /** Whether init has a PID namespace that dies with it. */
  readonly privatePids: boolean;
}

/** First match wins (containerd's runc shim). */
const groupAnnotations = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];

interface Spec {
  annotations?: Record<string, string>;
  linux?: { namespaces?: { type: string; path?: string }[] };
}

/** Throws SyntaxError where the text is not JSON. */
export function parseBundleConfig(text: string): BundleConfig {
  const spec = JSON.parse(text) as Spec;
  const group = groupAnnotations.map((key) => spec.annotations?.[key]).find((value) => value !== undefined);
  const pids = spec.linux?.namespaces?.find((namespace) => namespace.type === "pid");
  return { group: group ?? "", privatePids: pids !== undefined && !pids.path };
}
