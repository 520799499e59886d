import type { CreateTask } from "../src/index.ts";

/** A task without a root of its own and without stdio. */
export const taskOptions = (id: string): CreateTask => ({
  id,
  rootfs: [],
  stdin: "",
  stdout: "",
  stderr: "",
  terminal: false,
  client: null,
  checkpoint: "",
  options: null,
  runtimePath: "",
});
