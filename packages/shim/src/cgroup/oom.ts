// From a kill for lack of memory to the event that tells of it.
import { TaskOOM } from "@berth/proto/containerd/events";
import type { Container } from "../state/container.ts";
import type { Keeper } from "../state/keeper.ts";
import { watchOom } from "./oom-watch.ts";

/** From now until the container is deleted. A container whose cgroup cannot be watched runs all the same. */
export function followOom(keeper: Keeper, container: Container): void {
  container.oom?.close();
  container.oom = null;
  const told = () => keeper.events.publish("/tasks/oom", TaskOOM, { containerId: container.id });
  try {
    container.oom = watchOom(container.cgroup, told);
  } catch (error) {
    keeper.log.warn("a container is not watched for lack of memory", { container: container.id, err: error });
  }
}
