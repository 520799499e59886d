import { failedPrecondition, isNotFound } from "@berth/base";
import { signalNumber } from "@berth/host";
import { flag, parsed } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { UsageError } from "../cli/usage-error.ts";
import { expectNames, forEachName } from "../session/each.ts";
import type { Session } from "../session/session.ts";

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
      try {
        await session.connection.api.tasks.kill({ containerId, signal, all });
      } catch (error) {
        throw isNotFound(error) && (await hasEnded(session, containerId)) ? notRunning(containerId, error) : error;
      }
      return containerId;
    });
  },
});

const notRunning = (id: string, cause: unknown) =>
  failedPrecondition(`container ${JSON.stringify(id)} is not running`, { cause });

/** Whether there is such a container, which does not run. */
async function hasEnded({ connection }: Session, id: string): Promise<boolean> {
  for await (const { containers } of connection.api.engine.listContainers({}))
    for (const one of containers) if (one.id === id) return one.status === "stopped" || one.status === "none";
  return false;
}

function parseSignal(given: string): number {
  const number = signalNumber(given.toUpperCase());
  if (number === null) throw new UsageError(`${JSON.stringify(given)} is not a signal: write it like TERM or 15`);
  return number;
}
