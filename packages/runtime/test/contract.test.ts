import { packAny } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import { runtimeContract } from "./contract.ts";
import { fakeRuntime } from "./fake-runtime.ts";
import { taskOptions } from "./task-options.ts";

runtimeContract("the fake one", async () => {
  const runtime = fakeRuntime();
  const namespace = "test";
  return {
    runtime,
    namespace,
    container: taskOptions,
    exec: (_id, execId) => ({
      execId,
      terminal: false,
      stdin: "",
      stdout: "",
      stderr: "",
      spec: packAny(TaskExit, {}),
      client: null,
    }),
    end: (id, execId, status) => runtime.task(namespace, id).end(status, execId),
    async [Symbol.asyncDispose]() {},
  };
});
