import { BerthError, isAlreadyExists, isNotFound, messageOf } from "@berth/base";
import { cwd, env, readText } from "@berth/host";
import type { Init } from "@berth/proto";
import type { CreateContainerRequest, CreateTaskRequest } from "@berth/proto/berth/v1";
import { checkTerminal, ignoresUnhandled, runAttached, SIGKILL, sendSignal } from "../attach/attached.ts";
import { Interrupted, Signals } from "../attach/signals.ts";
import { command } from "../cli/command.ts";
import { exitCodeOf, exitCodes } from "../cli/exit-code.ts";
import { containerRequest, runOptions } from "../cli/run-options.ts";
import { ranOutOfMemory } from "../print/describe-state.ts";
import { sentenceOf } from "../print/sentence.ts";
import type { Connection } from "../session/connection.ts";
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
    if (values.detach) return await runDetached(session, request, named, values.rm);

    checkTerminal(values.interactive, values.tty);
    const target = { containerId: request.id, execId: "" };
    const signals = new Signals({
      kill: () => sendSignal(session, target, SIGKILL),
      say: (sentence) => session.printError(`berth: ${sentence}\n`),
      why: ignoresUnhandled,
    });
    let creating: Promise<void> = Promise.resolve();
    // A name that was refused is somebody else's container, which --rm must not touch.
    let ours = !named;
    const make = async (task: Init<CreateTaskRequest>): Promise<void> => {
      const made = () => {
        ours = true;
      };
      await create(session, { request, named, task, made });
    };
    try {
      const outcome = await runAttached(session, {
        target,
        interactive: values.interactive,
        terminal: values.tty,
        signals,
        create: (paths) => {
          creating = make({ id: request.id, terminal: values.tty, startFollows: true, ...paths });
          return creating;
        },
      });
      if (outcome === null) {
        session.printError(`\r\nberth: detached from ${request.id}, which goes on\n`);
        leave(exitCodes.ok);
      }
      if (outcome.outOfMemory) session.printError(`berth: ${request.id} ${ranOutOfMemory}\n`);
      return await finish(session, request.id, values.rm, outcome.exitStatus);
    } catch (error) {
      if (!(error instanceof Interrupted)) session.printError(`berth: ${sentenceOf(error)}\n`);
      const code = error instanceof Interrupted ? 128 + error.signal : exitCodeOf(error);
      // Removing before the creation has come to its end would find nothing, and leave it behind.
      await creating.catch(() => {});
      return await finish(session, request.id, values.rm && ours, code);
    }
  },
});

async function runDetached(
  session: Session,
  request: Init<CreateContainerRequest> & { id: string },
  named: boolean,
  remove: boolean,
): Promise<number> {
  const { id } = request;
  const task = { id, terminal: request.terminal, log: true, startFollows: true };
  let ours = !named;
  const made = () => {
    ours = true;
  };
  try {
    await create(session, { request, named, task, made });
    await session.connection.api.tasks.start({ containerId: id });
  } catch (error) {
    // What never ran has no end at which it could be removed.
    await finish(session, id, remove && ours, exitCodes.berth);
    throw error;
  }
  session.print(`${id}\n`);
  return exitCodes.ok;
}

interface Creation {
  readonly request: Init<CreateContainerRequest>;
  readonly named: boolean;
  readonly task: Init<CreateTaskRequest>;
  /** Told when the container is there. */
  readonly made: () => void;
}

/** Makes the container and its task, and both again where the supervisor was restarted in between, which undoes the former. */
async function create(session: Session, { request, named, task, made }: Creation): Promise<void> {
  for (let again = false; ; again = true) {
    await createContainer(session, request, named);
    made();
    try {
      await createTask(session.connection, task);
      return;
    } catch (error) {
      if (again || !isNotFound(error)) throw error;
    }
  }
}

/** Makes the container. Where the supervisor goes away meanwhile and an id of our own is there afterwards, it is ours. */
async function createContainer(session: Session, request: Init<CreateContainerRequest>, named: boolean): Promise<void> {
  await session.connection.persist(
    repeatable(!named, async ({ engine }) => {
      const { warnings } = await engine.createContainer(request).catch(explained);
      for (const warning of warnings) session.printError(`berth: ${warning}\n`);
    }),
  );
}

/** A first run fails by its image, and the way to one is not to be guessed. */
function explained(error: unknown): never {
  if (isNotFound(error) && messageOf(error).startsWith("image "))
    throw new BerthError(
      "not-found",
      `${messageOf(error)}: bring it with berth image import FILE, from docker save or skopeo copy; berth image ls lists what is there`,
    );
  throw error;
}

async function createTask(connection: Connection, request: Init<CreateTaskRequest>): Promise<void> {
  await connection.persist(
    repeatable(true, async ({ engine }) => {
      await engine.createTask(request);
    }),
  );
}

type Call = Parameters<Connection["persist"]>[0];

/** A call whose repetition may find its work done. */
function repeatable(ours: boolean, call: Call): Call {
  let tried = false;
  return async (api) => {
    const again = tried;
    tried = true;
    try {
      await call(api);
    } catch (error) {
      if (!(again && ours && isAlreadyExists(error))) throw error;
    }
  };
}

async function finish({ connection, printError }: Session, id: string, remove: boolean, code: number): Promise<number> {
  if (!remove) return code;
  try {
    await connection.persist(({ engine }) => engine.removeContainer({ id, force: true }));
  } catch (error) {
    if (!isNotFound(error))
      printError(`berth: container ${JSON.stringify(id)} was not removed: ${sentenceOf(error)}\n`);
  }
  return code;
}
