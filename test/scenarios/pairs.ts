// The four pairs of daemon and shim. The first is the original: a scenario that fails there is wrong.
import { goShim, ownShim, startBerthd } from "../support/berthd.ts";
import { startContainerd } from "../support/containerd.ts";
import type { Supervisor } from "../support/supervisor.ts";

export interface Pair {
  readonly name: string;
  readonly daemon: "containerd" | "berthd";
  readonly shim: "go" | "berth";
  /** Path of the shim's program, as in its processes' command lines. */
  readonly shimPath: string;
  /** Container.runtime.name. */
  readonly runtime: string;
  start(): Promise<Supervisor>;
}

const underBerthd = (shim: "go" | "berth", shimPath: string): Pair => ({
  name: `berthd + ${shim} shim`,
  daemon: "berthd",
  shim,
  shimPath,
  runtime: "io.containerd.runc.v2",
  start: () => startBerthd(shim === "go" ? { shim: goShim } : {}),
});

const underContainerd = (shim: "go" | "berth", shimPath: string): Pair => ({
  name: `containerd + ${shim} shim`,
  daemon: "containerd",
  shim,
  shimPath,
  runtime: shim === "go" ? "io.containerd.runc.v2" : shimPath,
  start: () => startContainerd(),
});

export const pairs: readonly Pair[] = [
  underContainerd("go", goShim),
  underContainerd("berth", ownShim),
  underBerthd("go", goShim),
  underBerthd("berth", ownShim),
];
