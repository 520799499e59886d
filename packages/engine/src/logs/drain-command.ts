// When a client has gone, its container goes on in the background: what it writes from then on goes to its log.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DrainCommand } from "@berth/runtime";
import type { ContainerStore } from "@berth/store";
import { CURRENT } from "./log-files.ts";
import { logLimits } from "./log-limits.ts";
import { logPlace } from "./log-place.ts";

interface Deps {
  readonly containers: ContainerStore;
  /** Directory of all logs. */
  readonly logs: string;
  /** Path of berth's own shim, which is the program that writes logs. */
  readonly ownShim: string;
}

/** An exec's output is dropped, like that of one in the background. */
export const drainCommandOf =
  ({ containers, logs, ownShim }: Deps) =>
  (namespace: string, id: string, process: string): DrainCommand => {
    if (process !== "") return { file: ownShim, args: ["-log", "/dev/null"] };
    const { maxBytes, maxFiles } = logLimits(containers.get({ namespace, lease: "" }, id).labels);
    const { directory } = logPlace(logs, namespace, id);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const limits = ["-max-size", `${maxBytes}`, "-max-file", `${maxFiles}`];
    return { file: ownShim, args: ["-log", join(directory, CURRENT), ...limits] };
  };
