// Between the task service's messages and ours.
import { isSet, toNanoseconds } from "@berth/proto";
import type { StateResponse } from "@berth/proto/containerd/task/v2";
import type { Timestamp } from "@berth/proto/google/protobuf";
import type { Exit, ProcessState, ProcessStatus } from "./types.ts";

// containerd.v1.types.Status by number.
const statuses: readonly ProcessStatus[] = ["unknown", "created", "running", "stopped", "paused", "pausing"];

export interface WireExit {
  readonly pid?: number;
  readonly exitStatus: number;
  readonly exitedAt: Timestamp | null;
}

export const toExit = ({ pid = 0, exitStatus, exitedAt }: WireExit): Exit => ({
  pid,
  status: exitStatus,
  at: isSet(exitedAt) ? toNanoseconds(exitedAt) : 0n,
});

export const toProcessState = (state: StateResponse, fallbackId: string): ProcessState => ({
  id: state.execId !== "" ? state.execId : state.id !== "" ? state.id : fallbackId,
  pid: state.pid,
  status: statuses[state.status] ?? "unknown",
  stdin: state.stdin,
  stdout: state.stdout,
  stderr: state.stderr,
  terminal: state.terminal,
  exitStatus: state.exitStatus,
  exitedAt: isSet(state.exitedAt) ? toNanoseconds(state.exitedAt) : null,
  bundle: state.bundle,
});
