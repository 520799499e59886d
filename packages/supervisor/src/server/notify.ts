// Tells systemd how we are (sd_notify(3)). Node cannot send a datagram to a unix socket, so systemd's own
// program does; the unit therefore has NotifyAccess=all. Without systemd nothing happens.
import { spawn } from "node:child_process";
import type { Log } from "@berth/base";

export type Notify = (state: "--ready" | "--stopping") => Promise<void>;

/** Takes NOTIFY_SOCKET out of the environment: shims and runtimes must not talk to systemd in our name. */
export function createNotify(environment: NodeJS.ProcessEnv, log: Log): Notify {
  const socket = environment.NOTIFY_SOCKET;
  delete environment.NOTIFY_SOCKET;
  if (!socket) return async () => {};
  return (state) =>
    new Promise((resolve) => {
      const child = spawn("systemd-notify", [state, `--pid=${process.pid}`], {
        env: { ...environment, NOTIFY_SOCKET: socket },
        stdio: "ignore",
      });
      child.on("error", (err) => {
        log.warn("systemd is not told how we are: systemd-notify does not run", { err });
        resolve();
      });
      child.on("exit", () => resolve());
    });
}
