import { invalidArgument } from "@berth/base";

/** Longest name that the kernel takes (uname(2), __NEW_UTS_LEN). */
const LONGEST = 64;

/** The name, if it is one that sethostname(2) takes and that can stand in hosts(5). */
export function checkHostname(name: string): string {
  if (name.length <= LONGEST && /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(name)) return name;
  throw invalidArgument(
    `hostname ${JSON.stringify(name.slice(0, 80))} is invalid: use at most ${LONGEST} letters, digits, dots and hyphens`,
  );
}
