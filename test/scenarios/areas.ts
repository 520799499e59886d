import { lifecycle } from "./lifecycle.ts";
import { states } from "./states.ts";

export const areas = [lifecycle, states];
