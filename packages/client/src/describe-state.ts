import { formatAgo } from "./duration.ts";

/** The word for a container's state, in tables and in JSON; the wire has others for two of them. */
export function stateWord(status: string): string {
  if (status === "none") return "not started";
  return status === "stopped" ? "exited" : status;
}

/** A container's state for people: `running`, `exited (7) 2 hours ago`. Times in ms since the epoch. */
export function describeState(
  state: { readonly status: string; readonly exitStatus: number; readonly exitedAt: number | null },
  now: number,
): string {
  if (state.status !== "stopped") return stateWord(state.status);
  return `${stateWord(state.status)} (${state.exitStatus})${state.exitedAt === null ? "" : ` ${formatAgo(state.exitedAt, now)}`}`;
}
