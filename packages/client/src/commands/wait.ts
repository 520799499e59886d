import { command } from "../cli/command.ts";
import { ranOutOfMemory } from "../print/describe-state.ts";
import { expectNames, forEachName } from "../session/each.ts";

export const wait = command({
  name: "wait",
  summary: "Wait until containers have ended, and print their exit codes",
  usage: "CONTAINER…",
  options: {},
  run(session, _values, names) {
    expectNames(names, "the container to wait for");
    // Made once for all, so that a supervisor that is not there is reported, not waited for.
    void session.connection.api;
    return forEachName(session, names, async (id) => {
      const { exitStatus, outOfMemory } = await session.connection.persist(({ engine }) =>
        engine.waitContainer({ id }),
      );
      if (outOfMemory) session.printError(`berth: ${id} ${ranOutOfMemory}\n`);
      return String(exitStatus);
    });
  },
});
