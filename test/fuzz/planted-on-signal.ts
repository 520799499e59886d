// Mistakes to be built into a shim: SIGUSR2 loses memory, SIGHUP reads what has been freed.
import { onSignal } from "@berth/host";
import { plant } from "../host/planted/plant.ts";
import { afterFork } from "./after-fork.ts";

const SIGHUP = 1;
const SIGUSR2 = 12;

void afterFork(() => {
  onSignal(SIGUSR2, () => plant("leak"));
  onSignal(SIGHUP, () => plant("use after free"));
});
