// What happens to containers, in berthd's own log: also to those of API clients.
import type { Log } from "@berth/base";
import { topics, unpackAny } from "@berth/proto";
import { ContainerDelete, TaskExit, TaskOOM, TaskStart } from "@berth/proto/containerd/events";
import type { Envelope, Exchange } from "@berth/runtime";

const wanted = [topics.taskStart, topics.taskExit, topics.taskOom, topics.containerDelete];

/** Logs from now on, until disposed. */
export function logContainers(events: Exchange, log: Log): AsyncDisposable {
  const stop = new AbortController();
  const tell = tellOf(log);
  const read = async () => {
    while (!stop.signal.aborted) {
      try {
        const filters = wanted.map((topic) => `topic==${JSON.stringify(topic)}`);
        for await (const envelope of events.subscribe(filters, stop.signal)) tell(envelope);
      } catch (err) {
        log.warn("some of what has happened to containers is not in this log", { err });
      }
    }
  };
  const reading = read();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}

function tellOf(log: Log): (envelope: Envelope) => void {
  /** Of which it was told in this life: a container may be killed in again and again. */
  const outOfMemory = new Set<string>();

  return ({ namespace, topic, event }) => {
    const started = topic === topics.taskStart ? unpackAny(TaskStart, event) : null;
    if (started !== null) {
      outOfMemory.delete(`${namespace}/${started.containerId}`);
      log.info("a container has started", { namespace, container: started.containerId, pid: started.pid });
    }
    const exited = topic === topics.taskExit ? unpackAny(TaskExit, event) : null;
    // Execs are not told: a health check may run one each second.
    if (exited !== null && exited.id === exited.containerId) {
      const { containerId: container, pid, exitStatus: status } = exited;
      outOfMemory.delete(`${namespace}/${container}`);
      log.info("a container has exited", { namespace, container, pid, status });
    }
    const killed = topic === topics.taskOom ? unpackAny(TaskOOM, event) : null;
    if (killed !== null && !outOfMemory.has(`${namespace}/${killed.containerId}`)) {
      outOfMemory.add(`${namespace}/${killed.containerId}`);
      log.info("the kernel has killed in a container for lack of memory", {
        namespace,
        container: killed.containerId,
      });
    }
    const removed = topic === topics.containerDelete ? unpackAny(ContainerDelete, event) : null;
    if (removed !== null) log.info("a container was removed", { namespace, container: removed.id });
  };
}
