// A container as its shim knows it.
import { BerthError } from "@berth/base";
import type { Bundle } from "../bundle/bundle.ts";
import type { Cgroup } from "../cgroup/cgroup-path.ts";
import type { OomWatch } from "../cgroup/oom-watch.ts";
import type { Runc, RuncConfig } from "../runtime/runc.ts";
import type { Process } from "./process.ts";

export interface Container {
  readonly id: string;
  readonly bundle: Bundle;
  /** The driver is there while it is used: a container that runs needs none. */
  readonly runc: () => Promise<Runc>;
  readonly init: Process;
  readonly execs: Map<string, Process>;
  /** Whether the kernel ends everything else when init ends. */
  readonly privatePids: boolean;
  readonly ioUid: number;
  readonly ioGid: number;
  /** null where the container has none (or had none that could be found). */
  cgroup: Cgroup | null;
  /** Tells of kills for lack of memory; null before there is a cgroup. */
  oom: OomWatch | null;
  /** Init has been reaped; its exit may not have been published yet. */
  initGone: boolean;
  /** Path of a checkpoint that `start` restores from; empty for a new container. */
  readonly checkpoint: string;
  /** Where criu leaves its logs at a restore. */
  readonly criuWorkPath: string;
}

/** A container that nothing has been made of yet. */
export function newContainer(
  of: Pick<Container, "id" | "bundle" | "init" | "privatePids" | "ioUid" | "ioGid" | "checkpoint" | "criuWorkPath">,
  runtime: RuncConfig,
): Container {
  const { id, bundle, init, privatePids, ioUid, ioGid, checkpoint, criuWorkPath } = of;
  return {
    id,
    bundle,
    runc: async () => (await import("../runtime/runc.ts")).createRunc(runtime),
    init,
    execs: new Map(),
    privatePids,
    ioUid,
    ioGid,
    cgroup: null,
    oom: null,
    initGone: false,
    checkpoint,
    criuWorkPath,
  };
}

/** The texts of these errors are containerd's: clients match them. */
export const containerNotCreated = (): BerthError => new BerthError("not-found", "container not created: not found");

/** Init for an empty id. Throws not-found for an exec that does not exist. */
export function processOf(container: Container, execId: string): Process {
  if (execId === "") return container.init;
  const found = container.execs.get(execId);
  if (found === undefined) throw new BerthError("not-found", `process does not exist ${execId}: not found`);
  return found;
}

/** Every process whose exit has to come before init's. */
export const aliveExecs = (container: Container): Process[] =>
  [...container.execs.values()].filter((process) => process.starting || process.state.at === "running");
