import { failedPrecondition, isNotFound } from "@berth/base";
import { Status } from "@berth/proto/containerd/v1/types";
import { command } from "../cli/command.ts";
import type { Api } from "../session/connection.ts";
import { expectNames, forEachName } from "../session/each.ts";

export const start = command({
  name: "start",
  summary: "Start containers again that have ended, in the background",
  usage: "CONTAINER…",
  notes: "What they write goes to their logs: berth logs CONTAINER.",
  options: {},
  run(session, _values, names) {
    expectNames(names, "the container to start");
    return forEachName(session, names, async (id) => {
      const { api } = session.connection;
      const status = await statusOf(api, id);
      if (status === Status.STOPPED) await api.tasks.delete({ containerId: id });
      else if (status !== null && status !== Status.CREATED)
        throw failedPrecondition(`container ${JSON.stringify(id)} runs already`);
      if (status !== Status.CREATED) await api.engine.createTask({ id, log: true, startFollows: true });
      await api.tasks.start({ containerId: id });
      return id;
    });
  },
});

/** The state of the container's first process; null where it has none. */
async function statusOf({ tasks }: Api, containerId: string): Promise<number | null> {
  try {
    return (await tasks.get({ containerId })).process?.status ?? null;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}
