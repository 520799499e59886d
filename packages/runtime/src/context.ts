import type { Clock, Log } from "@berth/base";
import type { Helper } from "@berth/helper";
import type { Background } from "./background.ts";
import type { Layout } from "./bundle.ts";
import type { CgroupClaims } from "./claim-cgroup.ts";
import type { ExitLedger } from "./exit-ledger.ts";
import type { LaunchShim } from "./launch-shim.ts";
import type { Limit } from "./limit.ts";
import type { ContainerLookup, ExitKeeper, PutAside, RuntimeOptions, Timeouts } from "./options.ts";
import type { ShimSetting } from "./shim-command.ts";
import type { Dial } from "./shim-connection.ts";
import type { TaskRegistry } from "./task-registry.ts";
import type { Exchange } from "./types.ts";

/** What the parts of one runtime share. */
export interface Context {
  readonly layout: Layout;
  /** Of the sockets of our shims alone. */
  readonly socketDirectory: string;
  /** Where OCI runtimes of the runc family keep their state. */
  readonly runcRoot: string;
  readonly bootId: string;
  readonly timeouts: Timeouts;
  readonly log: Log;
  readonly clock: Clock;
  readonly containers: ContainerLookup;
  readonly exits: ExitKeeper;
  readonly putAside: PutAside;
  readonly drainCommand: RuntimeOptions["drainCommand"];
  readonly resolveShim: (runtimeName: string) => string;
  readonly setting: ShimSetting;
  readonly launch: LaunchShim;
  readonly dial: Dial;
  readonly helper: Helper;
  readonly registry: TaskRegistry;
  readonly cgroups: CgroupClaims;
  readonly ledger: ExitLedger;
  readonly events: Exchange;
  /** For `delete` commands: each is a process or two, and many shims may go at once. */
  readonly cleanups: Limit;
  readonly background: Background;
  /** Aborted when the runtime closes. */
  readonly stopping: AbortSignal;
}
