// Everything that reads what others wrote.
import { shimFrames } from "./shim-frames.ts";
import { shimRequests } from "./shim-requests.ts";
import type { Target } from "./target.ts";

export const targets: readonly Target[] = [shimFrames, shimRequests];
