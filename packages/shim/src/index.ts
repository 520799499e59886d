// What tests, and programs that look at a bundle, may use of the shim.

export { parseStartInput, startReply } from "./bootstrap.ts";
export { bundleAt } from "./bundle/bundle.ts";
export { parseBundleConfig } from "./bundle/bundle-config.ts";
export { type ExitRecord, parseExitRecord } from "./bundle/exit-record.ts";
export { parseOptions } from "./bundle/saved-options.ts";
export { type Cgroup, locateCgroup, parseProcCgroup, threadsFiles } from "./cgroup/cgroup-path.ts";
export { metricsV1, parseBlkio } from "./cgroup/cgroup-v1-metrics.ts";
export { metricsV2, parseIo, parsePressure, parseRdma } from "./cgroup/cgroup-v2-metrics.ts";
export { slicePath } from "./cgroup/slice-path.ts";
export { type Flags, parseFlags } from "./commands/flags.ts";
export { socketPath } from "./commands/socket-address.ts";
export { mountsBelow, parseMountinfo } from "./mountinfo.ts";
export { cleanPath, joinPath } from "./paths.ts";
export { planMount } from "./runtime/mount-options.ts";
export { killError, lastRuntimeError, reasonOf, runtimeError } from "./runtime/runtime-error.ts";
export { parseSandboxConfig } from "./sandbox/sandbox-config.ts";
export { createEventQueue, type EventQueue, type QueuedEvent } from "./state/event-queue.ts";
export { withTerminal } from "./state/exec-spec.ts";
export { type At, advance, allow, type ProcessState, refusals, type Verb } from "./state/process-state.ts";
export { logLine } from "./stdio/logger.ts";
export { type OutputTarget, parseOutput } from "./stdio/stdio-target.ts";
