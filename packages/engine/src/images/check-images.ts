import { isNotFound, normalizeReference } from "@berth/base";
import type { ImageCheck } from "@berth/images";
import type { ImageStore, Scope } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { orPulse, PULSE } from "./pulse.ts";

/** Bytes of an image that were looked at, of those that are to be. */
export interface CheckProgress {
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Checks the images one after the other. Those that are removed meanwhile are left out. */
export async function* checkImages(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  { names, repair }: { readonly names: readonly string[]; readonly repair: boolean },
  caller: Caller,
): AsyncGenerator<{ readonly progress: CheckProgress } | { readonly result: ImageCheck }> {
  const all =
    names.length === 0
      ? store.images.list(caller, []).map(({ name }) => name)
      : [...new Set(names.map((name) => fullName(store.images, name, caller)))];
  const verified = new Set<string>();
  for (const name of all) {
    const ended = new AbortController();
    const signal = AbortSignal.any([caller.signal, ended.signal]);
    let progress = { name, doneBytes: 0, totalBytes: 0 };
    const checking = images.check(caller, name, {
      repair,
      signal,
      verified,
      onProgress: (doneBytes, totalBytes) => {
        progress = { name, doneBytes, totalBytes };
      },
    });
    checking.catch(() => {}); // seen below, unless nobody listens any more
    try {
      for (;;) {
        const check = await orPulse(checking);
        if (check === PULSE) yield { progress };
        else {
          if (check !== null) yield { result: check };
          break;
        }
      }
    } finally {
      ended.abort();
    }
  }
}

/** The name that was given, else the full name that it stands for. Throws not-found. */
function fullName(images: ImageStore, name: string, scope: Scope): string {
  try {
    return images.get(scope, name).name;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const full = normalizeReference(name);
    if (full === name) throw error;
    return images.get(scope, full).name;
  }
}
