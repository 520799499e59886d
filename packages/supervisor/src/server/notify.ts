// Tells systemd how we are (sd_notify(3)). Without systemd nothing happens.
import type { Log } from "@berth/base";
import type { Helper } from "@berth/helper";

export type Notify = (state: "READY=1" | "STOPPING=1") => Promise<void>;

/** Takes NOTIFY_SOCKET out of the environment: shims and runtimes must not talk to systemd in our name. */
export function createNotify(environment: NodeJS.ProcessEnv, helper: Helper, log: Log): Notify {
  const socket = environment.NOTIFY_SOCKET;
  delete environment.NOTIFY_SOCKET;
  if (!socket) return async () => {};
  return async (state) => {
    try {
      await helper.notify(socket, state);
    } catch (err) {
      log.warn("systemd is not told how we are", { err });
    }
  };
}
