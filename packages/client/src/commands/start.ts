import { command } from "../command.ts";
import { expectNames, forEachName } from "../each.ts";

export const start = command({
  name: "start",
  summary: "Start containers again that have ended, in the background",
  usage: "CONTAINER…",
  notes: "What they write goes to their logs: berth logs CONTAINER.",
  options: {},
  run(session, _values, names) {
    expectNames(names, "the container to start");
    return forEachName(session, names, async (id) => {
      const { engine, tasks } = session.connection.api;
      await engine.createTask({ id, log: true });
      await tasks.start({ containerId: id });
      return id;
    });
  },
});
