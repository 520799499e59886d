import { pid } from "@berth/host";
import type { Keeper } from "./keeper.ts";
import type { Process } from "./process.ts";

/** Everything that the shim keeps, as lines for a person: what SIGUSR1 logs and the debug socket says. */
export function stateDump(keeper: Keeper, queued: number): string {
  const { containers, creating, sandbox } = keeper;
  const lines = [
    `shim ${pid()} namespace=${keeper.namespace} exits=${keeper.exits} events=${queued} closing=${keeper.closing}`,
  ];
  if (sandbox !== null) lines.push(`sandbox ${sandbox.id} ${sandbox.state.at}`);
  for (const id of creating) lines.push(`container ${id} is being created`);
  for (const { id, init, execs, bundle, cgroup } of containers.values()) {
    lines.push(
      `container ${id} ${describe(init)} cgroup=${cgroup === null ? "none" : `v${cgroup.version}`} ${bundle.path}`,
    );
    for (const exec of execs.values()) lines.push(`  exec ${exec.execId} ${describe(exec)}`);
  }
  return lines.join("\n");
}

function describe({ state, starting, terminal }: Process): string {
  const status = "status" in state ? ` status=${state.status}` : "";
  return `${starting ? "starting" : state.at} pid=${state.pid}${status}${terminal ? " terminal" : ""}`;
}
