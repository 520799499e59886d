import { badInput } from "./bad-input.ts";
import { checkpoints } from "./checkpoints.ts";
import { ctrArea } from "./ctr.ts";
import { eventOrder } from "./event-order.ts";
import { exec } from "./exec.ts";
import { freezing } from "./freezing.ts";
import { groups } from "./groups.ts";
import { input } from "./input.ts";
import { lifecycle } from "./lifecycle.ts";
import { options } from "./options.ts";
import { resources } from "./resources.ts";
import { restarts } from "./restarts.ts";
import type { Area } from "./scenario.ts";
import { signals } from "./signals.ts";
import { states } from "./states.ts";
import { stdio } from "./stdio.ts";
import { stdioUris } from "./stdio-uris.ts";
import { terminals } from "./terminals.ts";

export const areas: readonly Area[] = [
  lifecycle,
  states,
  exec,
  signals,
  stdio,
  stdioUris,
  input,
  terminals,
  resources,
  freezing,
  groups,
  eventOrder,
  options,
  badInput,
  checkpoints,
  ctrArea,
  restarts,
];
