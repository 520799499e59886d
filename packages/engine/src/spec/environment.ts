import { invalidArgument } from "@berth/base";
import { defaultPath } from "./default-spec.ts";

/**
 * Lists of NAME=VALUE laid over each other, later ones winning in the place of the earlier. PATH is there
 * always; TERM where a terminal is wanted and nobody set it.
 */
export function mergeEnvironment(layers: readonly (readonly string[])[], terminal: boolean): string[] {
  const merged = new Map<string, string>();
  for (const layer of [[defaultPath], ...layers]) {
    for (const entry of layer) {
      const at = entry.indexOf("=");
      if (at <= 0 || entry.includes("\0"))
        throw invalidArgument(`environment entry ${JSON.stringify(entry.slice(0, 80))} is invalid: use NAME=VALUE`);
      merged.set(entry.slice(0, at), entry);
    }
  }
  if (terminal && !merged.has("TERM")) merged.set("TERM", "TERM=xterm");
  return [...merged.values()];
}
