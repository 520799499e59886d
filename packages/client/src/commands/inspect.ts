import { command } from "../command.ts";
import { expectNames, forEachName } from "../each.ts";

export const inspect = command({
  name: "inspect",
  summary: "Print everything that is known of containers, as JSON",
  usage: "CONTAINER…",
  options: {},
  run(session, _values, names) {
    expectNames(names, "the container to inspect");
    return forEachName(session, names, async (id) => {
      const { json } = await session.connection.api.engine.inspectContainer({ id });
      return new TextDecoder().decode(json).trimEnd();
    });
  },
});
