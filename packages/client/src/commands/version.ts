import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { sentenceOf } from "../print/sentence.ts";
import { expectNothing } from "../session/each.ts";

/** Of this program. */
export const clientVersion = "0.1.0";

export const version = command({
  name: "version",
  summary: "Print the versions of berth and berthd",
  usage: "",
  options: { json: flag("one JSON object") },
  async run(session, { json }, rest) {
    expectNothing(rest);
    let server: { version: string; revision: string } | null = null;
    let problem: unknown = null;
    try {
      server = await session.connection.api.version.version({});
    } catch (error) {
      problem = error;
    }
    if (json) session.print(`${JSON.stringify({ client: { version: clientVersion }, server })}\n`);
    else {
      session.print(`berth   ${clientVersion}\n`);
      if (server !== null)
        session.print(`berthd  ${server.version}${server.revision === "" ? "" : ` (${server.revision})`}\n`);
    }
    if (problem === null) return exitCodes.ok;
    session.printError(`berth: ${sentenceOf(problem)}\n`);
    return exitCodes.berth;
  },
});
