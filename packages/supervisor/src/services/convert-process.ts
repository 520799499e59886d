import { type Process, Status } from "@berth/proto/containerd/v1/types";
import type { ProcessState, ProcessStatus } from "@berth/runtime";
import { timestampOf } from "./convert-common.ts";

const statuses: Readonly<Record<ProcessStatus, number>> = {
  unknown: Status.UNKNOWN,
  created: Status.CREATED,
  running: Status.RUNNING,
  stopped: Status.STOPPED,
  paused: Status.PAUSED,
  pausing: Status.PAUSING,
};

/** containerd leaves container_id empty and puts the container's or the exec's id into id. */
export const processToProto = (state: ProcessState): Process => ({
  containerId: "",
  id: state.id,
  pid: state.pid,
  status: statuses[state.status],
  stdin: state.stdin,
  stdout: state.stdout,
  stderr: state.stderr,
  terminal: state.terminal,
  exitStatus: state.exitStatus,
  exitedAt: timestampOf(state.exitedAt),
});
