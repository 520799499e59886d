import { ignoresUnhandled } from "../attach/attached.ts";
import { parsed, text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { formatDuration, parseDuration } from "../cli/duration.ts";
import { expectNames, forEachName } from "../session/each.ts";
import type { Session } from "../session/session.ts";

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
      const stopping = session.connection.api.engine.stopContainer({ id, signal, graceMs });
      if (session.errorIsTerminal) explainSlowly(session, id, graceMs, stopping);
      await stopping;
      return id;
    });
  },
});

/** Most end at once; what is waited for is told of the others, which are killed in the end. */
const SLOW_MS = 1000;

function explainSlowly({ printError }: Session, id: string, graceMs: number, stopping: Promise<unknown>): void {
  if (graceMs <= SLOW_MS) return;
  const timer = setTimeout(
    () =>
      printError(
        `berth: ${id} has been asked to end, and is killed in ${formatDuration(graceMs - SLOW_MS)} if it does not${ignoresUnhandled}\n`,
      ),
    SLOW_MS,
  );
  const settled = () => clearTimeout(timer);
  stopping.then(settled, settled);
}
