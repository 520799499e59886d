import type { AnyCommand } from "../cli/command.ts";
import { events } from "./events.ts";
import { exec } from "./exec.ts";
import { imageCheck } from "./image-check.ts";
import { imageImport } from "./image-import.ts";
import { imageLs } from "./image-ls.ts";
import { imageRm } from "./image-rm.ts";
import { inspect } from "./inspect.ts";
import { kill } from "./kill.ts";
import { logs } from "./logs.ts";
import { ps } from "./ps.ts";
import { rm } from "./rm.ts";
import { run } from "./run.ts";
import { start } from "./start.ts";
import { stop } from "./stop.ts";
import { version } from "./version.ts";
import { wait } from "./wait.ts";

/** In the order of the help. */
export const commands: readonly AnyCommand[] = [
  run,
  exec,
  ps,
  logs,
  inspect,
  events,
  start,
  stop,
  kill,
  wait,
  rm,
  imageImport,
  imageLs,
  imageRm,
  imageCheck,
  version,
];
