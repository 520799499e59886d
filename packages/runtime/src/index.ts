export { type BundledContainer, bundledContainers } from "./bundled-containers.ts";
export { isFifoDirectory } from "./client-fifos.ts";
export type { DrainCommand } from "./drain.ts";
export { createExchange, type ExchangeOptions } from "./exchange.ts";
export { wasKilledForMemory } from "./keep-exit.ts";
export { helperEnvironment } from "./launched-processes.ts";
export { openRuntime } from "./open-runtime.ts";
export {
  type ContainerLookup,
  defaultTimeouts,
  type ExitKeeper,
  type LastExit,
  type RuntimeOptions,
  type Timeouts,
} from "./options.ts";
export { createShimResolver, type ShimResolverOptions, shimBinaryName } from "./resolve-shim.ts";
export { noTask, taskExists } from "./shim-error.ts";
export type * from "./types.ts";
