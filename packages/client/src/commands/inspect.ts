import { command } from "../cli/command.ts";
import { expectNames, forEachName } from "../session/each.ts";

export const inspect = command({
  name: "inspect",
  summary: "Print everything that is known of containers, as one JSON array",
  usage: "CONTAINER…",
  options: {},
  async run(session, _values, names) {
    expectNames(names, "the container to inspect");
    const documents: string[] = [];
    const code = await forEachName(
      session,
      names,
      async (id) => {
        const { json } = await session.connection.api.engine.inspectContainer({ id });
        return new TextDecoder().decode(json).trim();
      },
      (json) => documents.push(json),
    );
    session.print(documents.length === 0 ? "[]\n" : `[\n${documents.join(",\n")}\n]\n`);
    return code;
  },
});
