import { watch } from "node:fs";
import { stat } from "node:fs/promises";
import { failedPrecondition, isNotFound } from "@berth/base";
import type { Task } from "@berth/runtime";
import { logPlace, pathOfLog } from "../logs/log-place.ts";
import { parsePosition } from "../logs/log-position.ts";
import { type LogChanges, type LogChunk, readLog } from "../logs/read-log.ts";
import type { Caller } from "../types.ts";
import type { EngineDeps } from "./deps.ts";

export interface ReadContainerLog {
  readonly id: string;
  /** A position that a chunk had: from what follows it. Empty: from the start. */
  readonly after: string;
  /** The last lines only; 0: all. */
  readonly tail: number;
  readonly follow: boolean;
}

/** The log from its start, its last lines or a position; following ends with the container, once all is sent. */
export async function* readContainerLog(
  { store, runtime, logs }: EngineDeps,
  { id, after, tail, follow }: ReadContainerLog,
  caller: Caller,
): AsyncGenerator<LogChunk> {
  store.containers.get(caller, id);
  const position = after === "" ? null : parsePosition(after);
  const task = await runtime.tasks.find(caller.namespace, id);
  const place = logPlace(logs, caller.namespace, id);
  if ((await pathOfLog(place)) === null)
    throw failedPrecondition(`container ${JSON.stringify(id)} has no log: only detached containers have one`);
  using changes = follow ? watchLog(await watchable(place), task, caller.signal) : null;
  for await (const chunk of readLog(place, {
    after: position,
    tail,
    ...(changes !== null && { follow: changes }),
  })) {
    yield chunk;
    if (caller.signal.aborted) return;
  }
}

const watchable = async ({ directory, bare }: ReturnType<typeof logPlace>): Promise<string> =>
  await stat(directory).then(
    () => directory,
    () => bare,
  );

/** Changes of a log's directory, to the end of the task or of the call. */
function watchLog(path: string, task: Task | null, signal: AbortSignal): LogChanges & Disposable {
  let wake = Promise.withResolvers<void>();
  const watcher = watch(path, { persistent: false }, () => wake.resolve());
  let ended = task === null;
  const ending = (task?.wait("", signal) ?? Promise.resolve())
    .catch((error: unknown) => {
      if (!signal.aborted && !isNotFound(error)) throw error;
    })
    .finally(() => {
      ended = true;
    });
  ending.catch(() => {}); // seen below, where it is awaited
  return {
    async next() {
      if (ended) {
        await ending;
        return true;
      }
      wake = Promise.withResolvers();
      await Promise.race([wake.promise, ending]);
      return ended;
    },
    [Symbol.dispose]: () => watcher.close(),
  };
}
