import type { ImageCheck } from "@berth/images";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { findImages } from "./find-image.ts";
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
  const all = findImages(store.images, names, caller).map(({ name }) => name);
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
