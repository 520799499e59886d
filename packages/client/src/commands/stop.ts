import { parsed, text } from "../args.ts";
import { command } from "../command.ts";
import { parseDuration } from "../duration.ts";
import { expectNames, forEachName } from "../each.ts";

export const stop = command({
  name: "stop",
  summary: "Ask containers to end, and kill those that do not",
  usage: "CONTAINER…",
  options: {
    time: parsed("how long to wait before the kill [10]", { short: "t", value: "SECONDS" }, 10_000, parseDuration),
    signal: text("how to ask [the image's stop signal, else SIGTERM]", { short: "s", value: "SIGNAL" }),
  },
  run(session, { time, signal }, names) {
    expectNames(names, "the container to stop");
    // 0 is the supervisor's own default on the wire, so at once is 1 ms.
    const graceMs = Math.max(1, time);
    return forEachName(session, names, async (id) => {
      await session.connection.api.engine.stopContainer({ id, signal, graceMs });
      return id;
    });
  },
});
