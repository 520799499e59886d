// What is done without `berth-launch`: by other programs, or by the number of a process.
import { setTimeout as pause } from "node:timers/promises";
import { unavailable } from "@berth/base";
import { HelperError } from "./channel.ts";
import type { Helper } from "./helper.ts";
import { isAlive, signalByNumber } from "./process-identity.ts";
import { type Command, runCommand } from "./run-command.ts";

/** What a small program has. */
const CALL_MS = 10_000;
const LOOK_MS = 20;

export const standIns: Omit<Helper, "run" | "close"> = {
  mkfifo: (path, mode) => toTheEnd({ file: "mkfifo", args: ["-m", mode.toString(8), "--", path], timeoutMs: CALL_MS }),
  notify(socket, state) {
    const env = { PATH: process.env.PATH, NOTIFY_SOCKET: socket };
    const args = [`--pid=${process.pid}`, ...state.split("\n")];
    return toTheEnd({ file: "systemd-notify", args, env, timeoutMs: CALL_MS });
  },
  signal: (target, signal) => Promise.resolve(signalByNumber(target, signal)),
  async ended(target, abort) {
    // Nobody tells of the end of a process that is not our child.
    while (isAlive(target)) await pause(LOOK_MS, undefined, { signal: abort });
  },
  unmount: (paths, timeoutMs) => toTheEnd({ file: "umount", args: ["-c", "-l", "--", ...paths], timeoutMs }),
  syncfs: (path, timeoutMs) => toTheEnd({ file: "sync", args: ["-f", path], timeoutMs }),
  makeNetworkNamespace: () =>
    Promise.reject(unavailable("network namespaces are made by berth-launch, which is not beside berthd: install it")),
};

async function toTheEnd(command: Command): Promise<void> {
  const { status, stderr } = await runCommand(command);
  const said = stderr.toString().trim();
  if (status === 0) return;
  const code = /no space left/i.test(said) ? "ENOSPC" : /quota exceeded/i.test(said) ? "EDQUOT" : "";
  throw new HelperError(code, said || `${command.file} ended with status ${status}`);
}
