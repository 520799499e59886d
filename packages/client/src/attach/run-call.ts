// A run, which is one call for as long as the supervisor stays: after a restart, what is left to do is asked for call by call.
import { isAlreadyExists } from "@berth/base";
import type { Init } from "@berth/proto";
import type { RunContainerRequest } from "@berth/proto/berth/v1";
import { Status } from "@berth/proto/containerd/v1/types";
import type { Api } from "../session/connection.ts";
import type { Session } from "../session/session.ts";
import type { Exit } from "./attached.ts";

export interface RunRequest extends Init<RunContainerRequest> {
  readonly container: NonNullable<Init<RunContainerRequest>["container"]> & { readonly id: string };
}

export interface RunCall {
  /** Its container is there. */
  readonly made: Promise<void>;
  /** It has been started. */
  readonly started: Promise<void>;
  readonly exit: Promise<Exit>;
  /** All stages have been told. */
  readonly over: Promise<void>;
  /** Whether the container is this call's: one of a name that was taken is somebody else's. */
  readonly isOurs: boolean;
}

/** `named`: the id was chosen by the user, and may be taken. */
export function beginRun(session: Session, request: RunRequest, named: boolean): RunCall {
  const { id } = request.container;
  const made = deferred<void>();
  const started = deferred<void>();
  const exit = deferred<Exit>();
  let isOurs = !named;
  let isStarted = false;
  let tried = false;
  const begin = (): void => {
    isStarted = true;
    started.resolve();
  };
  const end = ({ exitStatus, outOfMemory }: Exit): void => exit.resolve({ exitStatus, outOfMemory });

  const inOneCall = async ({ engine }: Api): Promise<void> => {
    for await (const { created, started: running, exited } of engine.runContainer(request)) {
      if (created !== null) {
        isOurs = true;
        made.resolve();
      }
      for (const warning of created?.warnings ?? []) session.printError(`berth: ${warning}\n`);
      if (running !== null) begin();
      if (exited !== null) end(exited);
    }
  };
  /** It was made by a call whose answers were lost. */
  const startMade = async ({ tasks }: Api): Promise<void> => {
    if ((await tasks.get({ containerId: id })).process?.status === Status.CREATED)
      await tasks.start({ containerId: id });
    begin();
  };
  const goOn = async ({ engine }: Api): Promise<void> => {
    if (!request.detach) end(await engine.waitContainer({ id }));
  };
  const over = session.connection.persist(async (api) => {
    const again = tried;
    tried = true;
    if (!isStarted)
      try {
        return await inOneCall(api);
      } catch (error) {
        if (!(again && isOurs && !isStarted && isAlreadyExists(error))) throw error;
        await startMade(api);
      }
    await goOn(api);
  });
  over.catch((error: unknown) => {
    for (const { reject } of [made, started, exit]) reject(error);
  });
  return {
    made: made.promise,
    started: started.promise,
    exit: exit.promise,
    over,
    get isOurs() {
      return isOurs;
    },
  };
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>["resolve"] = () => {};
  let reject: Deferred<T>["reject"] = () => {};
  const promise = new Promise<T>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  promise.catch(() => {}); // whoever waits for it sees it as well
  return { promise, resolve, reject };
}
