import { isNotFound } from "@berth/base";
import { cwd, env, readText } from "@berth/host";
import type { Init } from "@berth/proto";
import type { CreateContainerRequest } from "@berth/proto/berth/v1";
import { checkTerminal, ignoresUnhandled, runAttached, SIGKILL, sendSignal } from "../attach/attached.ts";
import { ownSize } from "../attach/attached-terminal.ts";
import { beginRun, type RunCall } from "../attach/run-call.ts";
import { Interrupted, Signals } from "../attach/signals.ts";
import type { Values } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodeOf, exitCodes } from "../cli/exit-code.ts";
import { containerRequest, runOptions } from "../cli/run-options.ts";
import { ranOutOfMemory } from "../print/describe-state.ts";
import { sentenceOf } from "../print/sentence.ts";
import { withImage } from "../registry/with-image.ts";
import { leave } from "../session/leave.ts";
import { randomId } from "../session/random-id.ts";
import type { Session } from "../session/session.ts";

export const run = command({
  name: "run",
  summary: "Make a container from an image and run it",
  usage: "IMAGE [COMMAND…]",
  notes:
    "Ends with the exit code of the command, 125 where berth failed, 126 or 127 where the command could not be run.",
  options: runOptions,
  upToFirst: true,
  async run(session, values, rest) {
    const asked = containerRequest(values, rest, { env, cwd, readText });
    const named = values.name !== "";
    const request = { ...asked, id: named ? values.name : randomId(), startFollows: true };
    const { connection } = session;
    void connection.api; // a supervisor that is not there is reported, not waited for
    if (values.detach) return await runDetached(session, request, named, values);

    checkTerminal(values.interactive, values.tty);
    const target = { containerId: request.id, execId: "" };
    const signals = new Signals({
      kill: () => sendSignal(session, target, SIGKILL),
      say: (sentence) => session.printError(`berth: ${sentence}\n`),
      why: ignoresUnhandled,
    });
    let call: RunCall | null = null;
    try {
      const outcome = await runAttached(session, {
        target,
        interactive: values.interactive,
        terminal: values.tty,
        signals,
        async begin(paths) {
          const size = values.tty ? ownSize() : null;
          return await withImage(session, asked.image, values, async () => {
            const begun = beginRun(session, { container: request, ...paths, ...size }, named);
            call = begun;
            await begun.started;
            return begun;
          });
        },
      });
      if (outcome === null) {
        session.printError(`\r\nberth: detached from ${request.id}, which goes on\n`);
        leave(exitCodes.ok);
      }
      if (outcome.outOfMemory) session.printError(`berth: ${request.id} ${ranOutOfMemory}\n`);
      // Not before all its output has been passed on: with its task, what lies in its pipes goes.
      if (values.rm) await discard(session, request.id, true);
      return outcome.exitStatus;
    } catch (error) {
      const begun = call as RunCall | null;
      if (error instanceof Interrupted) {
        // What the user did not wait for is not left to start by itself. Before it is there, it cannot be taken back.
        await begun?.made.catch(() => {});
        if (begun?.isOurs) await discard(session, request.id);
        return 128 + error.signal;
      }
      session.printError(`berth: ${sentenceOf(error)}\n`);
      if (values.rm && begun?.isOurs) await discard(session, request.id);
      return exitCodeOf(error);
    }
  },
});

async function runDetached(
  session: Session,
  request: Init<CreateContainerRequest> & { id: string; image: string },
  named: boolean,
  values: Values<typeof runOptions>,
): Promise<number> {
  let call: RunCall | null = null;
  try {
    await withImage(session, request.image, values, async () => {
      call = beginRun(session, { container: request, log: true, detach: true }, named);
      await call.over;
    });
  } catch (error) {
    // What never ran has no end at which it could be removed.
    if (values.rm && (call as RunCall | null)?.isOurs) await discard(session, request.id);
    throw error;
  }
  session.print(`${request.id}\n`);
  return exitCodes.ok;
}

const notRemoved = (id: string, error: unknown): string =>
  `berth: container ${JSON.stringify(id)} was not removed: ${sentenceOf(error)}\n`;

async function discard({ connection, printError }: Session, id: string, finishLater = false): Promise<void> {
  try {
    await connection.persist(({ engine }) => engine.removeContainer({ id, force: true, finishLater }));
  } catch (error) {
    if (!isNotFound(error)) printError(notRemoved(id, error));
  }
}
