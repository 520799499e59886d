// What it takes to have a shim, without a container.
import { join } from "node:path";
import { idleShim } from "../idle-shim.ts";
import { startLauncher } from "./launcher.ts";
import type { Pair, Who } from "./pair.ts";
import { interleave } from "./statistics.ts";

export interface StartsOptions {
  readonly shims: Pair<string>;
  /** The program that buildLauncher has built. */
  readonly launcher: string;
  /** For sockets. */
  readonly folder: string;
  readonly rounds: number;
}

/** Milliseconds until `start` had ended and its socket took a connection, until it answered, and of a static `true`. */
export async function measureStarts({ shims, launcher: program, folder, rounds }: StartsOptions) {
  await using launcher = startLauncher(program);
  const answered: Pair<number[]> = { ours: [], theirs: [] };
  const start = (who: Who) => async (): Promise<number> => {
    let ms = Number.NaN;
    await using _shim = await idleShim(shims[who], {
      socketDir: join(folder, "s"),
      launch: async (command) => {
        const launched = await launcher.launch(command);
        ms = launched.ms;
        answered[who].push(launched.answeredMs ?? Number.NaN);
        return launched;
      },
    });
    return ms;
  };
  const { ours, theirs, floor } = await interleave(rounds, {
    ours: start("ours"),
    theirs: start("theirs"),
    floor: () => launcher.time("/bin/busybox", "true"),
  });
  for (const values of Object.values(answered)) values.shift(); // the round that is not counted
  return { connected: { ours, theirs }, answered, floor };
}
