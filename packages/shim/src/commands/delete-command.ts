// `delete`: cleans up after a shim that is gone, and reports how its container ended.
import { invalidArgument, type Log } from "@berth/base";
import { connectUnix, isCode, now, unlink } from "@berth/host";
import { DeleteResponse } from "@berth/proto/containerd/task/v2";
import { type Bundle, bundleAt } from "../bundle/bundle.ts";
import { loadOptions, readAddress, readBundleConfig, readExitRecord, readPidFile } from "../bundle/bundle-files.ts";
import { dirname, joinPath } from "../paths.ts";
import { unmountAll } from "../runtime/rootfs.ts";
import { createRunc } from "../runtime/runc.ts";
import { timestampOf } from "../timestamp.ts";
import type { Flags } from "./flags.ts";

/** 128 + SIGKILL: nobody saw how it ended, and it is killed now if it has not. */
const KILLED = 137;
const SIGKILL = 9;

/** The bytes for stdout. `directory` is where the program was called: the bundle, where -bundle does not say. */
export async function deleteCommand(flags: Flags, directory: string, log: Log): Promise<Uint8Array> {
  const { id, namespace } = flags;
  if (id === "") throw invalidArgument("delete needs -id");
  if (namespace === "") throw invalidArgument("delete needs -namespace");
  const bundle = bundleAt(flags.bundle === "" ? joinPath(dirname(directory), id) : flags.bundle);
  const options = loadOptions(bundle);
  const runc = createRunc({ id, namespace, bundle: bundle.path, logFile: bundle.runtimeLog, options, program: "" });
  if (!hasPrivatePids(bundle)) {
    // Its processes would outlive it: nothing but the cgroup ties them together.
    await runc
      .kill(SIGKILL, true)
      .catch((error: unknown) => log.debug("nothing to kill", { container: id, err: error }));
  }
  try {
    await runc.delete(true);
  } catch (error) {
    log.warn("failed to remove runc container", { container: id, err: error });
  }
  try {
    unmountAll(bundle.rootfs);
  } catch (error) {
    log.warn("failed to cleanup rootfs mount", { container: id, path: bundle.rootfs, err: error });
  }
  removeDeadSocket(bundle);
  const record = readExitRecord(bundle.exit);
  return DeleteResponse.encode({
    pid: record?.pid ?? readPidFile(bundle.initPid),
    exitStatus: record?.status ?? KILLED,
    exitedAt: timestampOf(record?.at ?? now()),
  });
}

function hasPrivatePids(bundle: Bundle): boolean {
  try {
    return readBundleConfig(bundle).privatePids;
  } catch (error) {
    // Without a specification nothing was started. Of one that cannot be read just now, nothing can be relied on.
    return error instanceof SyntaxError || isCode(error, "ENOENT", "ENOTDIR");
  }
}

/** A shim that was killed could not remove its socket; one that lives keeps the others of its group. */
function removeDeadSocket(bundle: Bundle): void {
  const path = readAddress(bundle);
  if (path === "") return;
  try {
    connectUnix(path).close();
  } catch (error) {
    if (isCode(error, "ECONNREFUSED")) unlink(path, { force: true });
  }
}
