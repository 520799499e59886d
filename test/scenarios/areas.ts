import { exec } from "./exec.ts";
import { lifecycle } from "./lifecycle.ts";
import { signals } from "./signals.ts";
import { states } from "./states.ts";
import { stdio } from "./stdio.ts";

export const areas = [lifecycle, states, exec, signals, stdio];
