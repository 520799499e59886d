// The pipes between a container and its logger. The logger reads them itself; they are held here too, because without
// a reader the container would be killed by SIGPIPE when its logger dies. Then nobody would empty them: we do.
import type { Log } from "@berth/base";
import { bytesWaiting, type Fd, O, open, Pump } from "@berth/host";
import type { LoggerProcess } from "./logger-process.ts";

const LOOK_MS = 5;
/** How often it is looked for what a logger that has ended may have left behind to read on. */
const LOOK_FOR_HEIRS_MS = 1000;
/** For a logger to read what lies there when its container is deleted. */
const DRAIN_MS = 10_000;

export interface LoggerPipes {
  /** The logger has read everything, or cannot, or `ms` have passed. */
  caughtUp(ms: number): Promise<void>;
  /** The container is gone: lets the logger end. */
  close(): Promise<void>;
}

/** `ends` are the pipes' read ends, which the caller closes after `close`. */
export function holdForLogger(logger: LoggerProcess, ends: readonly Fd[], log: Log): LoggerPipes {
  const pumps: Pump[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  let abandoned = false;

  const takeOver = (status: number) => {
    if (over) return;
    if (logger.isThere()) {
      timer = setTimeout(() => takeOver(status), LOOK_FOR_HEIRS_MS);
      return;
    }
    abandoned = true;
    if (status !== 0) log.warn("a logger has ended before its container", { path: logger.name, status });
    for (const from of ends) {
      const nowhere = open("/dev/null", O.WRONLY);
      const pump = new Pump({ from, to: nowhere });
      pumps.push(pump);
      void pump.ended.then(() => nowhere.close());
    }
  };
  void logger.ended.then(takeOver);

  const caughtUp = async (ms: number) => {
    const waits = () => !abandoned && ends.some((fd) => !fd.closed && bytesWaiting(fd) > 0);
    for (let left = ms; left > 0 && waits(); left -= LOOK_MS)
      await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  };
  return {
    caughtUp,
    async close() {
      if (over) return;
      await caughtUp(DRAIN_MS);
      over = true;
      clearTimeout(timer);
      let lost = 0;
      for (const pump of pumps) {
        lost += pump.moved;
        pump.close();
      }
      if (lost > 0)
        log.warn("output of a container was lost: its logger had ended", { path: logger.name, count: lost });
      await logger.close();
    },
  };
}
