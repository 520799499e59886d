import { signalNumber } from "@berth/host";
import { flag, parsed } from "../args.ts";
import { command } from "../command.ts";
import { expectNames, forEachName } from "../each.ts";
import { UsageError } from "../usage-error.ts";

const SIGKILL = 9;

export const kill = command({
  name: "kill",
  summary: "Send a signal to containers",
  usage: "CONTAINER…",
  options: {
    signal: parsed("name or number [KILL]", { short: "s", value: "SIGNAL" }, SIGKILL, parseSignal),
    all: flag("to every process of the container", { short: "a" }),
  },
  run(session, { signal, all }, names) {
    expectNames(names, "the container to signal");
    return forEachName(session, names, async (containerId) => {
      await session.connection.api.tasks.kill({ containerId, signal, all });
      return containerId;
    });
  },
});

function parseSignal(given: string): number {
  const number = signalNumber(given.toUpperCase());
  if (number === null) throw new UsageError(`${JSON.stringify(given)} is not a signal: write it like TERM or 15`);
  return number;
}
