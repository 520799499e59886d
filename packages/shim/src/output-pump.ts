// Moves one output of a container to its reader, and knows when it has caught up.
import type { Log } from "@berth/base";
import { type Fd, Pump } from "@berth/host";

/** How often a pipe that a grandchild still holds is looked at while an exit waits. */
const LOOK_MS = 5;

export interface OutputPump {
  /** Nothing that the process has written lies in its pipe any more, or `ms` have passed. */
  caughtUp(ms: number): Promise<void>;
  close(): void;
}

/**
 * Owns both descriptors, and closes them when the source ends, so that readers see the end. `beforeClose` is called
 * just before that.
 */
export function startOutputPump(from: Fd, to: Fd, log: Log, beforeClose: () => void = () => {}): OutputPump {
  let complained = false;
  let over = false;
  const pump = new Pump({
    from,
    to,
    // The container must never be blocked or killed by what its reader does: lost is what cannot be written.
    onError(error) {
      if (!complained) log.warn("output of a container is lost", { path: to.what, err: error });
      complained = true;
      return "drop";
    },
  });
  const end = () => {
    if (over) return;
    over = true;
    beforeClose();
    from.close();
    to.close();
  };
  const ended = pump.ended.then(end, end);
  return {
    async caughtUp(ms) {
      for (let left = ms; !over && left > 0 && pump.waiting() > 0; left -= LOOK_MS) {
        await Promise.race([ended, new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS))]);
      }
    },
    close() {
      if (over) return;
      pump.close();
      end();
    },
  };
}
