import assert from "node:assert/strict";
import { it } from "node:test";
import { type LogFields, silent, systemClock } from "@berth/base";
import { packAny, topics } from "@berth/proto";
import { ContainerDelete, TaskExit, TaskOOM, TaskStart } from "@berth/proto/containerd/events";
import { createExchange } from "@berth/runtime";
import { logContainers } from "../src/server/log-containers.ts";

it("tells of each container that it started, was killed in, exited and was removed, once each", async () => {
  const lines: [string, LogFields | undefined][] = [];
  const events = createExchange({ clock: systemClock, log: silent });
  {
    await using _logging = logContainers(events, {
      ...silent,
      info: (sentence, fields) => lines.push([sentence, fields]),
    });
    const container = "web";
    const exit = { containerId: container, pid: 7, exitStatus: 137 };
    events.publish("ns", topics.taskStart, packAny(TaskStart, { containerId: container, pid: 7 }));
    events.publish("ns", topics.taskExit, packAny(TaskExit, { ...exit, id: "an-exec" }));
    for (let times = 0; times < 3; times++)
      events.publish("ns", topics.taskOom, packAny(TaskOOM, { containerId: container }));
    events.publish("ns", topics.taskExit, packAny(TaskExit, { ...exit, id: container }));
    events.publish("ns", topics.containerDelete, packAny(ContainerDelete, { id: container }));
    // Published before this turn ends, read after it.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const fields = { namespace: "ns", container: "web" };
  assert.deepEqual(lines, [
    ["a container has started", { ...fields, pid: 7 }],
    ["the kernel has killed in a container for lack of memory", fields],
    ["a container has exited", { ...fields, pid: 7, status: 137 }],
    ["a container was removed", fields],
  ]);
});
