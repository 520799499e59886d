import { checkId, failedPrecondition } from "@berth/base";
import { makeExec, stringifyExact } from "@berth/engine";
import { typeUrls } from "@berth/proto";
import type { CreateExecRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import { clientDirectory } from "./client-directory.ts";
import { randomId } from "./create-container.ts";
import { type EngineNeeds, readRootFile, specOf } from "./needs.ts";

export async function createExec(
  { store, runtime }: EngineNeeds,
  req: CreateExecRequest,
  call: Call,
): Promise<{ execId: string }> {
  const record = store.containers.get(call, req.id);
  const execId = req.execId === "" ? randomId() : checkId("exec", req.execId);
  const task = await runtime.tasks.find(call.namespace, req.id);
  const isNotRunning = (cause?: unknown) =>
    failedPrecondition(`container ${JSON.stringify(req.id)} is not running: start it first`, { cause });
  if (task === null) throw isNotRunning();
  const read = readRootFile(store, call, record.snapshotter, record.snapshotKey);
  const process = await makeExec(specOf(record), req, record.image, read);
  try {
    await task.exec({
      execId,
      terminal: req.terminal,
      stdin: req.stdin,
      stdout: req.stdout,
      stderr: req.stderr,
      client: clientDirectory(req),
      spec: { typeUrl: typeUrls.process, value: new TextEncoder().encode(stringifyExact(process)) },
    });
  } catch (error) {
    const { status } = await task.state("").catch(() => ({ status: "unknown" })); // the first error is the one to tell
    throw status === "stopped" ? isNotRunning(error) : error;
  }
  return { execId };
}
