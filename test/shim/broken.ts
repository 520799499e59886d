// Mistakes to be built into a shim: SIGUSR2 makes an error that nobody catches, and a rejection that nobody handles.
import { onSignal } from "@berth/host";
import { afterFork } from "../fuzz/after-fork.ts";

const SIGUSR2 = 12;

function theMistake(): never {
  throw new TypeError("broken on purpose");
}

async function theOtherMistake(): Promise<void> {
  await Promise.resolve();
  throw new RangeError("rejected on purpose");
}

void afterFork(() =>
  onSignal(SIGUSR2, () => {
    void theOtherMistake();
    theMistake();
  }),
);
