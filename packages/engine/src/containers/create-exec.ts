import { checkId, failedPrecondition } from "@berth/base";
import { stringifyExact } from "../exact-json.ts";
import { ociTypes } from "../oci.ts";
import { makeExec } from "../spec/make-exec.ts";
import type { Caller, NewExec } from "../types.ts";
import { clientDirectory } from "./client-directory.ts";
import { randomId } from "./create-container.ts";
import { type EngineDeps, readRootFile, specOf } from "./deps.ts";

/** Makes one more process in a running container, and starts nothing. Gives its id. */
export async function createExec({ store, runtime }: EngineDeps, wanted: NewExec, caller: Caller): Promise<string> {
  const record = store.containers.get(caller, wanted.id);
  const execId = wanted.execId === "" ? randomId() : checkId("exec", wanted.execId);
  const task = await runtime.tasks.find(caller.namespace, wanted.id);
  const isNotRunning = (cause?: unknown) =>
    failedPrecondition(`container ${JSON.stringify(wanted.id)} is not running: start it first`, { cause });
  if (task === null) throw isNotRunning();
  const read = readRootFile(store, caller, record.snapshotter, record.snapshotKey);
  const process = await makeExec(specOf(record), wanted, record.image, read);
  try {
    await task.exec({
      execId,
      terminal: wanted.terminal,
      stdin: wanted.stdin,
      stdout: wanted.stdout,
      stderr: wanted.stderr,
      client: clientDirectory(wanted),
      spec: { typeUrl: ociTypes.process, value: new TextEncoder().encode(stringifyExact(process)) },
    });
  } catch (error) {
    const { status } = await task.state("").catch(() => ({ status: "unknown" })); // the first error is the one to tell
    throw status === "stopped" ? isNotRunning(error) : error;
  }
  return execId;
}
