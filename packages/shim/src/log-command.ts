// `-log PATH`: writes what descriptors 3 and 4 give as a container's log, as a logger of `binary://`, for shims that cannot
// do it themselves.

import type { Log } from "@berth/base";
import { exit, Fd, onSignal } from "@berth/host";
import { openLogStreams } from "./log-output.ts";
import { startOutputPump } from "./output-pump.ts";
import type { LogTarget } from "./stdio-target.ts";

const SIGTERM = 15;
/** What lies in the pipes when we are told to end. */
const LAST_MS = 5_000;

export async function logCommand(target: LogTarget, log: Log): Promise<never> {
  const sources = [new Fd(3, "stdout"), new Fd(4, "stderr")];
  const streams = await openLogStreams(target, [1, 2], false);
  const pumps = streams.map((stream, i) => {
    const pump = startOutputPump(sources[i] as Fd, stream.fd, {
      log,
      terminal: false,
      tellsOfGaps: true,
      sink: stream.sink,
    });
    stream.onChange = pump.hurry;
    return pump;
  });
  onSignal(SIGTERM, () => void Promise.all(pumps.map((pump) => pump.caughtUp(LAST_MS))).then(() => exit(0)));
  new Fd(5, "ready").close();
  await Promise.all(pumps.map((pump) => pump.ended));
  exit(0);
}
