// A container in a shim that is there: Create, and a task once it has been answered.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { kindOf, messageOf } from "@berth/base";
import { identify, identityOf, type ProcessIdentity } from "@berth/helper";
import { type Bootstrap, formatBootstrap } from "./bootstrap-reply.ts";
import type { Bundle } from "./bundle.ts";
import type { Context } from "./context.ts";
import { unlessAborted } from "./deadline.ts";
import { enterTask, type Linked, linkShim } from "./enter-task.ts";
import { forgetExit } from "./keep-exit.ts";
import type { LiveTask } from "./live-task.ts";
import { noteAttempt, type ObtainedShim } from "./obtain-shim.ts";
import type { Attempt } from "./roll-back.ts";
import { asContainerdSays } from "./shim-error.ts";
import type { CreateTask } from "./types.ts";

/** Its checkpoint is laid out. */
type Restoring = CreateTask & { readonly checkpoint: string };

/** Has the shim create the container. Nobody is told of it before the journal says that it is there. */
export async function createInShim(
  context: Context,
  attempt: Attempt,
  { linked: first, shimLog }: ObtainedShim,
  options: Restoring,
  signal: AbortSignal,
): Promise<LiveTask> {
  const { bundle } = attempt;
  const { timeouts } = context;
  const { namespace, id } = bundle;
  let shimProcess: ProcessIdentity | null = null;
  let task: LiveTask | null = null;
  /** Travels with Create: what its answer is good for comes later, if ever. */
  const askForPid = ({ link, log }: Linked): Promise<void> =>
    link
      .call((client) => client.connect({ id }, { namespace, timeoutMs: timeouts.call }))
      .then(({ shimPid }) => {
        shimProcess = identify(shimPid);
        if (task !== null) task.record({ shimProcess });
        else if (attempt.journal !== null) attempt.journal = { ...attempt.journal, shimProcess };
      })
      .catch((err: unknown) => log.debug("the pid of a shim is not known", { err: messageOf(err) }));
  const create = (linked: Linked) => {
    void askForPid(linked);
    return linked.link.call((client) =>
      client.create(request(bundle, options), { namespace, timeoutMs: timeouts.create }),
    );
  };
  /** It has version 3 of the bootstrap but only version 2 of the service. */
  const withVersion2 = async (bootstrap: Bootstrap): Promise<Linked> => {
    first.link.close();
    noteAttempt(attempt, { api: 2 });
    const second = linkShim(context, bundle, bootstrap, await context.dial(bootstrap, timeouts.load));
    attempt.link = second.link;
    noteBootstrap(bundle, bootstrap);
    return second;
  };

  let linked = first;
  const { bootstrap } = first.link;
  const calling = create(first);
  // Written while the runtime works.
  noteBootstrap(bundle, bootstrap);
  const created = calling
    .catch(async (error: unknown) => {
      if (kindOf(error) !== "unimplemented" || bootstrap.version !== 3) throw error;
      linked = await withVersion2({ ...bootstrap, version: 2 });
      return await create(linked);
    })
    .catch((error: unknown) => {
      throw asContainerdSays(error, "failed to create shim task");
    });
  // Nobody has been told of it yet, so it can be taken back: by a runtime that closes, or with its container.
  const { pid } = await unlessAborted(created, signal);
  context.containers.get({ namespace, lease: "" }, id);
  const journal = noteAttempt(attempt, { phase: "created", init: identityOf(pid), shimProcess });
  task = enterTask(context, linked, { journal, shimLog, silent: false, life: { at: "alive" } });
  forgetExit(context, namespace, id);
  task.attendance.resume();
  return task;
}

const noteBootstrap = ({ path }: Bundle, bootstrap: Bootstrap): void =>
  writeFileSync(join(path, "bootstrap.json"), formatBootstrap(bootstrap));

function request(bundle: Bundle, task: Restoring) {
  const { id, rootfs, terminal, stdin, stdout, stderr, checkpoint, options } = task;
  return { id, bundle: bundle.path, rootfs, terminal, stdin, stdout, stderr, checkpoint, options };
}
