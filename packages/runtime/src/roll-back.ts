// Undoing a task that never came to be, or of which only the shim is left.
import { isNotFound, messageOf } from "@berth/base";
import { type Bundle, removeBundle } from "./bundle.ts";
import { deleteLeftovers, killContainer, killShim } from "./clean-up.ts";
import type { Context } from "./context.ts";
import { within } from "./deadline.ts";
import type { Journal } from "./journal.ts";
import { killLaunch } from "./launched-processes.ts";
import { removeCgroup } from "./remove-cgroup.ts";
import type { ShimLink } from "./shim-link.ts";

/** How far a create came. */
export interface Attempt {
  readonly bundle: Bundle;
  /** Null before anything was launched. */
  journal: Journal | null;
  link: ShimLink | null;
  shimLog: Disposable | null;
  /** The shim still creates, and is not asked: it ends when it has. */
  abandoned?: boolean;
}

/** Leaves no process, mount, socket or file of the attempt. What cannot be done is logged. */
export async function rollBack(context: Context, attempt: Attempt): Promise<void> {
  const { log } = context;
  const { bundle, journal } = attempt;
  try {
    const ended =
      attempt.link === null || attempt.abandoned === true ? "stuck" : await endByShim(context, attempt.link, bundle);
    attempt.link?.close();
    if (journal !== null && ended === "stuck") {
      await killContainer(context, journal);
      await killShim(context, bundle, journal);
    }
    // A runtime that creates outlives its shim, and would go on after what comes next.
    if (journal?.phase === "launching") await killLaunch(context.helper, journal.launchId, context.layout.state);
    // containerd's shim forgets a container whose create fails late, and leaves what the runtime has made of it.
    if (journal !== null && ended !== "deleted") await deleteLeftovers(context, bundle, journal);
    if (journal !== null) await removeCgroup(bundle);
    attempt.shimLog?.[Symbol.dispose]();
    await removeBundle(context.helper, bundle);
  } catch (err) {
    log.error("what is left of a task cannot be removed", {
      namespace: bundle.namespace,
      container: bundle.id,
      path: bundle.path,
      err: messageOf(err),
    });
  }
}

/** Asks the shim itself to delete the container, which it may not know, and to end. */
async function endByShim(
  context: Context,
  link: ShimLink,
  { namespace, id }: Bundle,
): Promise<"deleted" | "not known" | "stuck"> {
  const { timeouts, registry, log } = context;
  const options = { namespace, timeoutMs: timeouts.shutdown };
  try {
    const known = await link
      .call((task) => task.delete({ id }, options))
      .then(
        () => true,
        (error: unknown) => {
          if (!isNotFound(error)) throw error;
          return false;
        },
      );
    const gone = link.disconnected();
    await link
      .call((task) => task.shutdown({ id, now: true }, options))
      .catch((error: unknown) => {
        // A shim may end before its answer is out.
        if (!link.over) return within(gone, timeouts.shutdown, "the shim's end").catch(() => Promise.reject(error));
        return undefined;
      });
    if (!registry.isShared(link.bootstrap.address, namespace, id))
      await within(gone, timeouts.shutdown, "the shim's end");
    return known ? "deleted" : "not known";
  } catch (err) {
    log.debug("a shim does not end by itself", { namespace, container: id, err: messageOf(err) });
    return "stuck";
  }
}
