import { messageOf } from "@berth/base";
import { SystemError } from "@berth/host";

/** Why a system call has failed, without the call: for sentences that name what it was about themselves. */
export function reasonOfSystem(error: unknown): string {
  const text = messageOf(error);
  return error instanceof SystemError ? text.slice(text.lastIndexOf(": ") + 2) : text;
}
