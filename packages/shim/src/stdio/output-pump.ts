// Moves one output of a container to its reader, and knows when it has caught up.
import { type Log, messageOf } from "@berth/base";
import { type Fd, Pump, type Sink } from "@berth/host";

/** How often a pipe that a grandchild still holds is looked at while an exit waits. */
const LOOK_MS = 5;
/**
 * A terminal's output is passed on to its master later (tty_flip_buffer_push): it may have more than it says. Its end
 * comes after everything, unless someone keeps it open; then this long without a byte counts.
 */
const QUIET_MS = 25;

export interface OutputPump {
  /**
   * What the process had written before the call has been passed on, or its reader has not taken it within `ms`. What
   * others who hold the same pipe write meanwhile does not count.
   */
  caughtUp(ms: number): Promise<void>;
  /** Resolves at the end of the output. */
  readonly ended: Promise<unknown>;
  /** Tries again what its sink did not take. */
  hurry(): void;
  close(): void;
}

export interface OutputOptions {
  readonly log: Log;
  readonly terminal: boolean;
  /** Whether a gap may be written about in the output itself: in a file, not in a client's stream. */
  readonly tellsOfGaps: boolean;
  /** How bytes get to the target; default: as they are. */
  readonly sink?: Sink | undefined;
  /** Called just before the descriptors are closed. */
  readonly beforeClose?: () => void;
}

/** Owns both descriptors, and closes them when the source ends, so that readers see the end. */
export function startOutputPump(from: Fd, to: Fd, options: OutputOptions): OutputPump {
  const { log, terminal, tellsOfGaps, beforeClose, sink } = options;
  let reason = "";
  let over = false;
  const notice = (lost: number) =>
    new TextEncoder().encode(`\nberth: ${lost} bytes of output were lost here: ${reason}\n`);
  const pump = new Pump({
    from,
    to,
    // The container must never be blocked or killed by what its reader does: lost is what cannot be written.
    onError(error) {
      if (reason === "") log.warn("output of a container is being lost", { path: to.what, err: error });
      reason = messageOf(error);
      return "drop";
    },
    ...(tellsOfGaps ? { notice } : {}),
    ...(sink ? { sink } : {}),
  });
  const end = () => {
    if (over) return;
    over = true;
    if (pump.lost > 0) log.warn("output of a container was lost", { path: to.what, count: pump.lost, err: reason });
    beforeClose?.();
    from.close();
    to.close();
  };
  const ended = pump.ended.then(end, end);
  return {
    ended,
    hurry: () => pump.hurry(),
    async caughtUp(ms) {
      if (over) return;
      const settled = () => pump.moved + pump.lost;
      const target = settled() + pump.waiting();
      pump.hurry();
      let before = settled();
      for (let left = ms, quiet = terminal ? QUIET_MS : 0; !over && left > 0; left -= LOOK_MS) {
        if (settled() >= target && quiet <= 0) return;
        await Promise.race([ended, new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS))]);
        quiet = settled() === before || !terminal ? quiet - LOOK_MS : QUIET_MS;
        before = settled();
      }
    },
    close() {
      if (over) return;
      pump.close();
      end();
    },
  };
}
