import { native } from "berth:native";
import { check } from "@berth/host";

declare module "berth:native" {
  interface Native {
    notify(socket: string, state: string, pid: number): Result;
  }
}

/** sd_pid_notify(3): tells a service manager's socket (a path, or an abstract name after `@`) in that process's name. */
export function notify(socket: string, state: string, pid: number): void {
  check(native.notify(socket, state, pid), "sendmsg", socket);
}
