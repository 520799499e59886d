// Mistakes to be built into a shim: SIGUSR2 makes an error that nobody catches, and a rejection that nobody handles.
import { onSignal } from "@berth/host";

const SIGUSR2 = 12;

function theMistake(): never {
  throw new TypeError("broken on purpose");
}

async function theOtherMistake(): Promise<void> {
  await Promise.resolve();
  throw new RangeError("rejected on purpose");
}

// Not yet: the shim forks some jobs from now, and must not have begun to wait for events by then.
const JOBS = 50;

async function install(): Promise<void> {
  for (let count = 0; count < JOBS; count++) await null;
  onSignal(SIGUSR2, () => {
    void theOtherMistake();
    theMistake();
  });
}

void install();
