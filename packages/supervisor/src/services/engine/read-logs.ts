import { watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { failedPrecondition, isNotFound } from "@berth/base";
import type { ReadLogsRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import { settledTasks } from "../settled-tasks.ts";
import { type EngineNeeds, logPath, taskOf } from "./needs.ts";

const CHUNK = 64 << 10;

/** The log from its start or its last lines; following ends with the container, once all is sent. */
export async function* readLogs(
  needs: EngineNeeds,
  req: ReadLogsRequest,
  call: Call,
): AsyncGenerator<{ data: Uint8Array }> {
  needs.store.containers.get(call, req.id);
  await settledTasks(needs.runtime).settle(call.namespace, req.id);
  const path = logPath(needs, call.namespace, req.id);
  await using file = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
    throw failedPrecondition(`container ${JSON.stringify(req.id)} has no log: only detached containers have one`);
  });
  let at = req.tail > 0 ? await startOfTail(file, req.tail) : 0;
  const send = async function* () {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield { data: buffer.subarray(0, bytesRead) };
    }
  };
  if (!req.follow) {
    yield* send();
    return;
  }
  using changes = watchFile(path, call.signal);
  const task = taskOf(needs.runtime, call.namespace, req.id);
  let ended = task === null;
  const ending = (task?.wait("", call.signal) ?? Promise.resolve()).catch((error: unknown) => {
    if (!call.signal.aborted && !isNotFound(error)) throw error;
  });
  const end = ending.finally(() => {
    ended = true;
  });
  end.catch(() => {}); // seen below, where it is awaited
  while (!call.signal.aborted) {
    const last = ended;
    const changed = changes.next();
    yield* send();
    if (last) {
      await end;
      return;
    }
    await Promise.race([changed, end]);
  }
}

/** Promises for the next change of a file, taken before it is read so that none is missed. */
function watchFile(path: string, signal: AbortSignal): { next(): Promise<void> } & Disposable {
  let wake: (() => void) | null = null;
  const watcher = watch(path, { persistent: false }, () => wake?.());
  const stop = () => wake?.();
  signal.addEventListener("abort", stop, { once: true });
  return {
    next: () =>
      new Promise((resolve) => {
        wake = resolve;
        if (signal.aborted) resolve();
      }),
    [Symbol.dispose]() {
      watcher.close();
      signal.removeEventListener("abort", stop);
    },
  };
}

/** Offset of the last `lines` lines, read backwards from the end. */
async function startOfTail(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  let missing = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let i = bytesRead - 1; i >= 0; i--) {
      // The newline that ends the file begins no line.
      if (buffer[i] !== 0x0a || start + i === size - 1) continue;
      missing--;
      if (missing === 0) return start + i + 1;
    }
    end = start;
  }
  return 0;
}
