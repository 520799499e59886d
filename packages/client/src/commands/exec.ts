import { aborted, isNotFound } from "@berth/base";
import { env } from "@berth/host";
import type { Init } from "@berth/proto";
import type { CreateExecRequest } from "@berth/proto/berth/v1";
import { Status } from "@berth/proto/containerd/v1/types";
import { checkTerminal, runAttached, SIGKILL, sendSignal, type Target } from "../attach/attached.ts";
import { Interrupted, Signals } from "../attach/signals.ts";
import { flag, list, text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodeOf, exitCodes } from "../cli/exit-code.ts";
import { environment } from "../cli/run-options.ts";
import { UsageError } from "../cli/usage-error.ts";
import { sentenceOf } from "../print/sentence.ts";
import type { Connection } from "../session/connection.ts";
import { randomId } from "../session/random-id.ts";
import type { Session } from "../session/session.ts";

export const exec = command({
  name: "exec",
  summary: "Run one more command in a container",
  usage: "CONTAINER COMMAND…",
  notes:
    "Ends with the exit code of the command, 125 where berth failed, 126 or 127 where the command could not be run.",
  options: {
    detach: flag("run in the background; what it writes is dropped", { short: "d" }),
    interactive: flag("pass on stdin", { short: "i" }),
    tty: flag("give it a terminal; ctrl-p ctrl-q leaves it running", { short: "t" }),
    env: list("set a variable; NAME alone passes on berth's own", { short: "e", value: "NAME=VALUE" }),
    user: text("who runs it, by name or number [the container's]", { short: "u", value: "USER[:GROUP]" }),
    workdir: text("where it starts [the container's]", { short: "w", value: "PATH" }),
    privileged: flag("give it every capability"),
  },
  upToFirst: true,
  async run(session, values, [id, ...args]) {
    if (id === undefined) throw new UsageError("the container and the command are missing");
    if (args.length === 0) throw new UsageError("the command to run is missing");
    if (values.detach && values.interactive) throw new UsageError("--interactive does not go with --detach");
    const target = { containerId: id, execId: randomId() };
    const request: Init<CreateExecRequest> = {
      id,
      execId: target.execId,
      args,
      env: environment(values.env, { env }),
      cwd: values.workdir,
      user: values.user,
      terminal: values.tty,
      privileged: values.privileged,
    };
    const { connection } = session;
    void connection.api; // a supervisor that is not there is reported, not waited for
    if (values.detach) {
      await connection.api.engine.createExec(request);
      await connection.api.tasks.start(target);
      return exitCodes.ok;
    }
    checkTerminal(values.interactive, values.tty);
    const signals = new Signals({
      kill: () => sendSignal(session, target, SIGKILL),
      say: (sentence) => session.printError(`berth: ${sentence}\n`),
      why: "",
    });
    try {
      const outcome = await runAttached(session, {
        target,
        interactive: values.interactive,
        terminal: values.tty,
        signals,
        begin: async (paths) => {
          await connection.api.engine.createExec({ ...request, ...paths });
          // Sent before the start, so that however short its life, the end is seen by this call.
          const exit = connection.persist(({ tasks }) =>
            tasks.wait(target).then(({ exitStatus }) => ({ exitStatus, outOfMemory: false })),
          );
          exit.catch(() => {});
          const started = start(connection, target);
          started.catch(() => {});
          return { started, exit };
        },
      });
      if (outcome === null) return exitCodes.ok;
      await forget(session, target);
      return outcome.exitStatus;
    } catch (error) {
      if (!(error instanceof Interrupted)) session.printError(`berth: ${sentenceOf(error)}\n`);
      await forget(session, target);
      return error instanceof Interrupted ? 128 + error.signal : exitCodeOf(error);
    }
  },
});

/** Starts the process, also where the supervisor is restarted in the middle of that. */
async function start(connection: Connection, target: Target): Promise<void> {
  let tried = false;
  await connection.persist(async ({ tasks }) => {
    const again = tried;
    tried = true;
    try {
      if (again && (await tasks.get(target)).process?.status !== Status.CREATED) return;
      await tasks.start(target);
    } catch (error) {
      if (!again || !isNotFound(error)) throw error;
      throw aborted("berthd was restarted before the start, and has undone what was to be started: run it again", {
        cause: error,
      });
    }
  });
}

/** Deletes the process; one that was never made, or went with its container, is fine. */
async function forget({ connection, printError }: Session, target: Target): Promise<void> {
  try {
    await connection.persist(({ tasks }) => tasks.deleteProcess(target));
  } catch (error) {
    if (!isNotFound(error)) printError(`berth: the process was not cleaned up: ${sentenceOf(error)}\n`);
  }
}
