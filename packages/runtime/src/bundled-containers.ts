import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundleOf, layoutOf } from "./bundle.ts";
import { findBundles } from "./reconnect.ts";

/** What a bundle tells of its container when there is no record of it. */
export interface BundledContainer {
  readonly namespace: string;
  readonly id: string;
  /** The OCI spec as JSON; null where the bundle has none that can be read. */
  readonly spec: Uint8Array | null;
}

/** The containers that have a bundle in the state directory. */
export function bundledContainers(state: string, root: string): BundledContainer[] {
  const layout = layoutOf(state, root);
  return findBundles({ layout }).map(({ namespace, id }) => ({
    namespace,
    id,
    spec: readSpec(bundleOf(layout, namespace, id).path),
  }));
}

function readSpec(bundle: string): Uint8Array | null {
  const path = join(bundle, "config.json");
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return null;
  const spec = readFileSync(path);
  try {
    JSON.parse(spec.toString("utf8"));
    return spec;
  } catch {
    // Cut short; the container itself may well run.
    return null;
  }
}
