// Certificates and keys that a configuration names, looked for before any server is asked.
import type { HostSettings } from "./host-settings.ts";
import { wrong } from "./place.ts";
import { kindOfPath } from "./read-file.ts";

/**
 * As in containerd, one that is missing is an error even if its server comes last: otherwise another would answer, and
 * nobody would see why. Throws invalid-argument with the key that names the file.
 */
export async function checkFiles(settings: readonly HostSettings[]): Promise<void> {
  for (const { path, place } of settings.flatMap(({ files }) => files)) {
    const kind = await kindOfPath(path);
    if (kind === null)
      throw wrong(place, `names ${path}, which does not exist: put the file there or correct the path`);
    if (kind !== "file") throw wrong(place, `names ${path}, which is not a file: name one`);
  }
}
