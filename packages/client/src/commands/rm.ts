import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { expectNames, forEachName } from "../session/each.ts";

export const rm = command({
  name: "rm",
  summary: "Remove containers, with their file systems and logs",
  usage: "CONTAINER…",
  options: { force: flag("kill those that run", { short: "f" }) },
  run(session, { force }, names) {
    expectNames(names, "the container to remove");
    return forEachName(session, names, async (id) => {
      await session.connection.api.engine.removeContainer({ id, force });
      return id;
    });
  },
});
