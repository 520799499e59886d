import { invalidArgument } from "@berth/base";
import { readSeccomp, type SeccompProfile } from "./read-seccomp.ts";

/** Each null if nothing was said. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean | null;
  /** null is the default profile. */
  readonly seccomp: "unconfined" | SeccompProfile | null;
  /** Name of a profile that the kernel has loaded; null and "unconfined" are none. */
  readonly apparmor: string | null;
  /** Whether paths of /proc and /sys that are hidden or read-only by default are open. */
  readonly openSystemPaths: boolean | null;
}

const usage =
  "use no-new-privileges[=false], seccomp=unconfined, seccomp=PROFILE, apparmor=NAME or systempaths=unconfined";

/** Reads `NAME[=VALUE]`, also with a colon. Throws invalid-argument for what cannot be obeyed, and for one said twice. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  const given = new Map<string, string>();
  for (const option of options) {
    const [, key = option, value = ""] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? [];
    if (!Object.hasOwn(readers, key)) throw unknownOption(option);
    if (given.has(key)) throw invalidArgument(`security option ${key} is given twice: give one`);
    given.set(key, value);
  }
  const read = <T>(key: keyof typeof readers, parse: (value: string) => T | undefined): T | null => {
    const value = given.get(key);
    if (value === undefined) return null;
    const parsed = parse(value);
    if (parsed === undefined) throw unknownOption(`${key}=${value}`);
    return parsed;
  };
  return {
    noNewPrivileges: read("no-new-privileges", readers["no-new-privileges"]),
    seccomp: read("seccomp", readers.seccomp),
    apparmor: read("apparmor", readers.apparmor),
    openSystemPaths: read("systempaths", readers.systempaths),
  };
}

/** undefined for a value that means nothing. */
const readers = {
  "no-new-privileges": (value: string) => (["", "true", "false"].includes(value) ? value !== "false" : undefined),
  seccomp: (value: string) =>
    value === "" ? undefined : value === "unconfined" ? ("unconfined" as const) : readSeccomp(value),
  apparmor: (value: string) => (value === "" ? undefined : value),
  systempaths: (value: string) => (value === "unconfined" ? true : undefined),
};

const unknownOption = (option: string) =>
  invalidArgument(`security option ${JSON.stringify(option.slice(0, 80))} is not known: ${usage}`);
