import { watch } from "node:fs";
import { stat } from "node:fs/promises";
import { failedPrecondition, isNotFound } from "@berth/base";
import { type LogChanges, logPlace, parsePosition, pathOfLog, readLog } from "@berth/engine";
import type { Init } from "@berth/proto";
import { LogStream, type ReadLogsRequest, type ReadLogsResponse } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { Task } from "@berth/runtime";
import type { EngineNeeds } from "./needs.ts";

const streams = {
  stdout: LogStream.LOG_STREAM_STDOUT,
  stderr: LogStream.LOG_STREAM_STDERR,
  berth: LogStream.LOG_STREAM_BERTH,
} as const;

/** The log from its start, its last lines or a position; following ends with the container, once all is sent. */
export async function* readLogs(
  needs: EngineNeeds,
  req: ReadLogsRequest,
  call: Call,
): AsyncGenerator<Init<ReadLogsResponse>> {
  needs.store.containers.get(call, req.id);
  const after = req.after === "" ? null : parsePosition(req.after);
  const task = await needs.runtime.tasks.find(call.namespace, req.id);
  const place = logPlace(needs.logs, call.namespace, req.id);
  if ((await pathOfLog(place)) === null)
    throw failedPrecondition(`container ${JSON.stringify(req.id)} has no log: only detached containers have one`);
  using changes = req.follow ? watchLog(await watchable(place), task, call.signal) : null;
  const chunks = readLog(place, { after, tail: req.tail, ...(changes !== null && { follow: changes }) });
  for await (const { stream, data, position } of chunks) {
    yield { stream: streams[stream], data, position };
    if (call.signal.aborted) return;
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
