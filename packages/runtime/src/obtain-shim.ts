// A shim for a bundle: launched, and linked to. What is created in it comes after (create-in-shim.ts).
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { type Linked, linkShim } from "./enter-task.ts";
import { type Journal, writeJournal } from "./journal.ts";
import { unlessNoRoom } from "./no-room.ts";
import type { Attempt } from "./roll-back.ts";
import { openShimLog, type ShimLog } from "./shim-log.ts";
import type { CreateTask } from "./types.ts";

/** A shim that was obtained for an attempt, which has its journal from here on. */
export interface ObtainedShim {
  readonly linked: Linked;
  readonly shimLog: ShimLog;
}

/** Notes something in the journal of an attempt, on disk as well. */
export function noteAttempt(attempt: Attempt, change: Partial<Journal>): Journal {
  const journal = { ...(attempt.journal as Journal), ...change };
  attempt.journal = journal;
  writeJournal(attempt.bundle.path, journal);
  return journal;
}

/** Launches a shim and links to it. Whatever fails, the attempt knows how far it came. */
export async function obtainShim(
  context: Context,
  attempt: Attempt,
  shim: string,
  { options, client }: Pick<CreateTask, "options" | "client">,
  signal: AbortSignal,
): Promise<ObtainedShim> {
  const { bundle } = attempt;
  const { timeouts } = context;
  const shimLogPath = join(bundle.path, "log");
  try {
    await context.helper.mkfifo(shimLogPath, 0o700);
  } catch (error) {
    throw unlessNoRoom(error, bundle.path);
  }
  const log = context.log.with({ namespace: bundle.namespace, container: bundle.id });
  const shimLog = openShimLog(shimLogPath, log, context.clock);
  attempt.shimLog = shimLog;
  // Before the launch, so that whatever it leaves behind is found if we die with it.
  // biome-ignore format: one value a field
  const { launchId } = noteAttempt(attempt, {
    version: 1, bootId: context.bootId, launchId: randomUUID(), shim, phase: "launching",
    address: "", api: 2, shimProcess: null, init: null, exit: null, outOfMemory: false,
    attended: client === null ? {} : { "": { directory: client, left: false } },
  });
  context.ledger.forget(bundle.namespace, bundle.id);
  const bootstrap = await context.launch({ shim, bundle, launchId, timeoutMs: timeouts.create, signal }, options);
  const linking = context.dial(bootstrap, timeouts.load).then((connection) => {
    const linked = linkShim(context, bundle, bootstrap, connection);
    attempt.link = linked.link;
    return linked;
  });
  linking.catch(() => {}); // seen below, where it is awaited
  // Written while the shim accepts.
  noteAttempt(attempt, { address: bootstrap.address, api: bootstrap.version });
  writeFileSync(join(bundle.path, "shim-binary-path"), shim, { mode: 0o600 });
  return { linked: await linking, shimLog };
}
