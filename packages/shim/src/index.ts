// What tests, and programs that look at a bundle, may use of the shim.
export { parseStartInput, startReply } from "./bootstrap.ts";
export { bundleAt } from "./bundle.ts";
export { parseBundleConfig } from "./bundle-config.ts";
export { type Cgroup, locateCgroup, parseProcCgroup } from "./cgroup-path.ts";
export { metricsV1, parseBlkio } from "./cgroup-v1-metrics.ts";
export { metricsV2, parseIo, parsePressure } from "./cgroup-v2-metrics.ts";
export { createEventQueue, type EventQueue, type QueuedEvent } from "./event-queue.ts";
export { type ExitRecord, parseExitRecord } from "./exit-record.ts";
export { type Flags, parseFlags } from "./flags.ts";
export { createLogger, logLine } from "./logger.ts";
export { commonLowerDirectory, moveLower, planMount } from "./mount-options.ts";
export { mountsBelow, parseMountinfo } from "./mountinfo.ts";
export { cleanPath, joinPath } from "./paths.ts";
export { type At, advance, allow, type ProcessState, refusals, type Verb } from "./process-state.ts";
export { killError, lastRuntimeError, reasonOf, runtimeError } from "./runtime-error.ts";
export { parseOptions } from "./saved-options.ts";
export { DEFAULT_SOCKET_DIR, socketPath } from "./socket-address.ts";
export { type OutputTarget, parseOutput } from "./stdio-target.ts";
