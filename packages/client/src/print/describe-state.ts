import { formatAgo } from "../cli/duration.ts";

/** The word for a container's state, in tables and in JSON; the wire has others for two of them. */
export function stateWord(status: string): string {
  if (status === "none") return "not started";
  return status === "stopped" ? "exited" : status;
}

/** What is said of a container by its name. */
export const ranOutOfMemory = "was killed by the kernel for lack of memory: run --memory gives it more";

/** A container's state for people: `running`, `exited (7) 2 hours ago`. Times in ms since the epoch. */
export function describeState(
  state: {
    readonly status: string;
    readonly exitStatus: number;
    readonly exitedAt: number | null;
    readonly outOfMemory: boolean;
  },
  now: number,
): string {
  if (state.status !== "stopped") return stateWord(state.status);
  const how = `${state.exitStatus}${state.outOfMemory ? ", out of memory" : ""}`;
  return `${stateWord(state.status)} (${how})${state.exitedAt === null ? "" : ` ${formatAgo(state.exitedAt, now)}`}`;
}
