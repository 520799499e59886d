// Standing for a process in a container: its output is our output, its signals and its exit code are ours.

import { isNotFound, kindOf } from "@berth/base";
import { isCode, isTerminal, stdin } from "@berth/host";
import { exitCodes } from "../cli/exit-code.ts";
import { UsageError } from "../cli/usage-error.ts";
import { sentenceOf } from "../print/sentence.ts";
import type { Connection } from "../session/connection.ts";
import type { Session } from "../session/session.ts";
import { followSize, rawKeys } from "./attached-terminal.ts";
import { ProcessStdio, type StdioPaths } from "./process-stdio.ts";
import { Interrupted, type Signals } from "./signals.ts";

export const SIGKILL = 9;

/** Process 1 of a pid namespace: pid_namespaces(7). */
export const ignoresUnhandled = ": the first process of a container ignores signals that it does not handle";

/** A process of a container; `execId` is empty for its first. */
export interface Target {
  readonly containerId: string;
  readonly execId: string;
}

export interface AttachedOptions {
  readonly target: Target;
  readonly interactive: boolean;
  readonly terminal: boolean;
  readonly signals: Signals;
  /** Makes the process on these FIFOs, and has it started. */
  begin(paths: StdioPaths): Promise<Begun>;
}

export interface Exit {
  readonly exitStatus: number;
  readonly outOfMemory: boolean;
}

/** A process that is there, or as good as. */
export interface Begun {
  readonly started: Promise<void>;
  readonly exit: Promise<Exit>;
}

/** How it ended for us, which is berth's own failure if output was lost; null: the user left it running. */
export type Outcome = Exit | null;

/** Throws UsageError where a terminal is asked for and stdin, which is to be passed on, is none. */
export function checkTerminal(interactive: boolean, terminal: boolean): void {
  if (interactive && terminal && !isTerminal(stdin))
    throw new UsageError("stdin is not a terminal: leave out --tty, or --interactive");
}

/** Runs the process to its end, or until the user detaches. All its output has been written when this resolves. */
export async function runAttached(session: Session, options: AttachedOptions): Promise<Outcome> {
  const { target, interactive, terminal, signals } = options;
  const { connection } = session;
  using stdio = new ProcessStdio({ address: session.address, interactive, terminal });
  /** Where the process may go on without us, the supervisor reads what it writes. */
  const leaveIfItMayRun = (error: unknown): never => {
    if (error instanceof Interrupted || kindOf(error) === "unavailable") stdio.leave();
    throw error;
  };
  const { started, exit } = await signals.guard(options.begin(stdio.paths)).catch(leaveIfItMayRun);
  stdio.keep();
  using _raw = terminal && interactive ? rawKeys() : null;
  const resize = (width: number, height: number): void => {
    connection.persist(({ tasks }) => tasks.resizePty({ ...target, width, height })).catch(() => {}); // it may have ended
  };
  let lost = false;
  stdio.pumpOutput((error, stream) => {
    // As with a program of this machine, whose next write after its reader has gone is its last (SIGPIPE).
    if (!isCode(error, "EPIPE")) {
      session.printError(`berth: the output cannot be passed on: ${error.message}\n`);
      lost = true;
    }
    if (stream === "stdout") sendSignal(session, target, SIGKILL);
  });
  // Its output may be seen before the answer to the start is: a signal from then on is meant for the process.
  signals.forward((signal) => {
    const send = () => sendSignal(session, target, signal);
    started.then(send, () => {});
  });
  await started.catch(leaveIfItMayRun);
  if (terminal) followSize(resize);
  const detached = new Promise<null>((resolve) => {
    stdio.pumpInput((reason) => {
      if (reason === "detach") resolve(null);
      else closeInput(connection, target);
    });
  });
  const outcome = await Promise.race([exit, detached]).catch(leaveIfItMayRun);
  if (outcome === null) {
    stdio.leave();
    return null;
  }
  await stdio.drained();
  return lost ? { ...outcome, exitStatus: exitCodes.berth } : outcome;
}

export function sendSignal({ connection, printError }: Session, target: Target, signal: number): void {
  connection
    .persist(({ tasks }) => tasks.kill({ ...target, signal }))
    .catch((error) => {
      if (!isNotFound(error)) printError(`berth: signal ${signal} did not reach the container: ${sentenceOf(error)}\n`);
    });
}

/** An end that the process does not get to see matters to nobody once it has ended itself. */
function closeInput(connection: Connection, target: Target): void {
  connection.persist(({ tasks }) => tasks.closeIO({ ...target, stdin: true })).catch(() => {});
}
