// `-log PATH`: writes what descriptors 3 and 4 give as a container's log: as a logger of `binary://`, for shims that cannot
// do it themselves, and in the place of a client that has gone. `-log /dev/null` only takes it.

import type { Log } from "@berth/base";
import { exit, Fd, O, onSignal, open, stat } from "@berth/host";
import { type LogStream, openLogStreams } from "../stdio/log-output.ts";
import { startOutputPump } from "../stdio/output-pump.ts";
import type { LogTarget } from "../stdio/stdio-target.ts";

const SIGTERM = 15;
/** What lies in the pipes when we are told to end. */
const LAST_MS = 5_000;

export async function logCommand(target: LogTarget, log: Log): Promise<never> {
  const streams = await streamsTo(target);
  const pumps = [3, 4].flatMap((number, i) => {
    const source = new Fd(number, i === 0 ? "stdout" : "stderr");
    // A terminal has no second output.
    if (stat(`/proc/self/fd/${number}`)?.kind === "char") return [];
    const stream = streams?.[i];
    const pump = startOutputPump(source, stream?.fd ?? open("/dev/null", O.WRONLY), {
      log,
      terminal: false,
      tellsOfGaps: true,
      sink: stream?.sink,
    });
    if (stream) stream.onChange = pump.hurry;
    return [pump];
  });
  onSignal(SIGTERM, () => void Promise.all(pumps.map((pump) => pump.caughtUp(LAST_MS))).then(() => exit(0)));
  new Fd(5, "ready").close();
  await Promise.all(pumps.map((pump) => pump.ended));
  exit(0);
}

/** Null where nothing is kept. */
const streamsTo = async (target: LogTarget): Promise<LogStream[] | null> =>
  target.path === "/dev/null" ? null : await openLogStreams(target, [1, 2], false);
