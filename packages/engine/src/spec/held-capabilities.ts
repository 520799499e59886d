import { readFileSync } from "node:fs";
import { allCapabilities, capabilitiesOfMask } from "./capabilities.ts";

let held: readonly string[] | null = null;

/** What this process could give away; a capability outside its bounding set makes the runtime fail. It never changes. */
export function heldCapabilities(): readonly string[] {
  if (held !== null) return held;
  const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  held = mask === undefined ? allCapabilities : capabilitiesOfMask(mask);
  return held;
}
