// What is done about a shim that cannot do it itself any more.
import { lstatSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { deadlineExceeded, messageOf } from "@berth/base";
import { isAlive } from "@berth/helper";
import { socketPath } from "./bootstrap-reply.ts";
import type { Bundle } from "./bundle.ts";
import { cgroupOf, killCgroup } from "./cgroup.ts";
import type { Context } from "./context.ts";
import { removeDeadSockets } from "./dead-sockets.ts";
import type { Journal } from "./journal.ts";
import { killLaunch } from "./launched-processes.ts";
import { deleteByShim } from "./shim-command.ts";
import type { Exit } from "./types.ts";

/** Kills init and everything in its cgroup, by what the journal knows of them. */
export async function killContainer({ helper }: Pick<Context, "helper">, { init }: Journal): Promise<void> {
  if (init === null || !isAlive(init)) return;
  // To be read before init is gone.
  const cgroup = cgroupOf(init.pid);
  await helper.signal(init, 9);
  if (cgroup !== null) await killCgroup(helper, cgroup);
}

/** The same, and waits until init has ended. deadline-exceeded where it does not: the kernel alone can hold it. */
export async function endContainer(context: Context, bundle: Bundle, journal: Journal): Promise<void> {
  const { helper, timeouts } = context;
  const { init } = journal;
  await killContainer(context, journal);
  if (init === null) return;
  const late = AbortSignal.timeout(timeouts.kill);
  await helper.ended(init, late).catch((cause: unknown) => {
    if (!late.aborted) throw cause;
    // A helper that is stopped does not tell.
    if (!isAlive(init)) return;
    const who = `container ${JSON.stringify(bundle.id)}`;
    throw deadlineExceeded(`${who} was killed and its process ${init.pid} has not ended in ${timeouts.kill} ms`, {
      cause,
    });
  });
}

/** Kills the shim, unless it keeps other containers as well. Its socket, which nobody else removes, goes too. */
export async function killShim(context: Context, bundle: Bundle, journal: Journal): Promise<void> {
  const address = journal.address !== "" ? journal.address : addressFile(bundle);
  if (address !== "" && context.registry.isShared(address, bundle.namespace, bundle.id)) return;
  const wasKnown = journal.shimProcess !== null && (await context.helper.signal(journal.shimProcess, 9));
  // A launch that was cut short may have left its helper, or a shim that has told nobody its pid.
  if (!wasKnown && journal.launchId !== "") await killLaunch(context.helper, journal.launchId, context.layout.state);
  if (address !== "") removeSocket(address);
  else await removeDeadSockets(context.socketDirectory);
}

/** Runs the shim's `delete`, which is told nothing but the bundle. Null where it fails, which is logged. */
export async function deleteLeftovers(context: Context, bundle: Bundle, journal: Journal): Promise<Exit | null> {
  const { setting, timeouts, log, cleanups } = context;
  try {
    return await cleanups(() =>
      deleteByShim(setting, {
        shim: journal.shim,
        bundle,
        // Not the launch's own id: a search for what that has left must not find this.
        launchId: `${journal.launchId}-delete`,
        timeoutMs: timeouts.cleanup,
      }),
    );
  } catch (err) {
    log.warn("the shim's delete command failed", {
      namespace: bundle.namespace,
      container: bundle.id,
      path: journal.shim,
      err: messageOf(err),
    });
    return null;
  }
}

/** The address that shims until containerd 1.7 write into their bundle; empty where there is none. */
function addressFile(bundle: Bundle): string {
  try {
    return readFileSync(join(bundle.path, "address"), "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function removeSocket(address: string): void {
  try {
    const path = socketPath(address);
    if (path.startsWith("/") && lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // Gone already, or no socket of a file system.
  }
}
