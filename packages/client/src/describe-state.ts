import { formatAgo } from "./duration.ts";

/** A container's state for people: `running`, `exited (7) 2 hours ago`. Times in ms since the epoch. */
export function describeState(
  state: { readonly status: string; readonly exitStatus: number; readonly exitedAt: number | null },
  now: number,
): string {
  if (state.status === "none") return "not started";
  if (state.status !== "stopped") return state.status;
  return `exited (${state.exitStatus})${state.exitedAt === null ? "" : ` ${formatAgo(state.exitedAt, now)}`}`;
}
