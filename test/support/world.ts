// Everything of a supervisor that an operation may change, as sorted lines: equal before and after a refusal.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { connectGrpc } from "@berth/grpc";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { bundlesBelow, cgroupsOf, mountsBelow, processesNaming } from "./leftovers.ts";
import type { Supervisor } from "./supervisor.ts";

export async function worldOf(daemon: Supervisor, namespace: string): Promise<string[]> {
  using connection = connectGrpc(daemon.address);
  const options = { namespace };
  const lines: string[] = [];
  const { containers } = await connection.service(Containers).list({}, options);
  lines.push(...containers.map(({ id }) => `container ${id}`));
  const { tasks } = await connection.service(Tasks).list({}, options);
  lines.push(...tasks.map(({ id, status }) => `task ${id} ${status}`));
  const { images } = await connection.service(Images).list({}, options);
  lines.push(...images.map(({ name, target }) => `image ${name} ${target?.digest}`));
  const { leases } = await connection.service(Leases).list({}, options);
  lines.push(...leases.map(({ id }) => `lease ${id}`));
  for await (const { info } of connection.service(Content).list({}, options))
    lines.push(...info.map(({ digest }) => `content ${digest}`));
  const { statuses } = await connection.service(Content).listStatuses({}, options);
  lines.push(...statuses.map(({ ref }) => `ingest ${ref}`));
  for (const snapshotter of ["overlayfs", "native"])
    for await (const { info } of connection.service(Snapshots).list({ snapshotter }, options))
      lines.push(...info.map(({ name, kind }) => `snapshot ${snapshotter} ${name} ${kind}`));
  lines.push(...mountsBelow(daemon.dir).map((point) => `mount ${point}`));
  lines.push(...bundlesBelow(daemon.state).map((bundle) => `bundle ${bundle}`));
  lines.push(...cgroupsOf(namespace).map((path) => `cgroup ${path}`));
  lines.push(
    ...processesNaming(daemon.dir)
      .filter(({ command }) => command.includes("shim") || command.includes("unpack"))
      .map(({ command }) => `process ${command}`),
  );
  const logs = join(daemon.root, "io.berth.logs.v1", namespace);
  if (existsSync(logs)) lines.push(...readdirSync(logs).map((name) => `log ${name}`));
  return lines.sort();
}
