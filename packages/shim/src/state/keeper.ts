// What every operation on containers needs; made once, in the program.
import type { Log } from "@berth/base";
import type { Options } from "@berth/proto/containerd/runc/v1";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Container } from "./container.ts";
import type { Events } from "./events.ts";

export interface Keeper {
  readonly namespace: string;
  readonly log: Log;
  readonly events: Events;
  readonly containers: Map<string, Container>;
  /** Ids whose Create has not come back. */
  readonly creating: Set<string>;
  /** Options that the daemon passed at start, for containers that bring none. */
  readonly options: Options | null;
  /** A short private directory for console sockets. */
  readonly runDirectory: string;
  /** The pod that this shim keeps for a daemon whose sandboxer it is. */
  sandbox: Sandbox | null;
  /** Exits seen so far: numbers the exit records. */
  exits: number;
  /** All containers are gone and the daemon has asked: no new ones are taken. */
  closing: boolean;
}
