import { invalidArgument, messageOf } from "@berth/base";
import type { OciSeccomp } from "./oci.ts";

export interface SecurityOptions {
  /** null where nothing was said. */
  readonly noNewPrivileges: boolean | null;
  /** null is the default profile. */
  readonly seccomp: "unconfined" | OciSeccomp | null;
}

/** Reads `no-new-privileges[=false]` and `seccomp=unconfined|JSON` (also with a colon); the last of a kind counts. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges: boolean | null = null;
  let seccomp: SecurityOptions["seccomp"] = null;
  for (const option of options) {
    const [, key = option, value = ""] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? [];
    if (key === "no-new-privileges" && ["", "true", "false"].includes(value)) noNewPrivileges = value !== "false";
    else if (key === "seccomp" && value !== "") seccomp = value === "unconfined" ? value : parseProfile(value);
    else
      throw invalidArgument(
        `security option ${JSON.stringify(option.slice(0, 80))} is not known: use no-new-privileges[=false], seccomp=unconfined or seccomp=PROFILE`,
      );
  }
  return { noNewPrivileges, seccomp };
}

function parseProfile(text: string): OciSeccomp {
  let profile: unknown;
  try {
    profile = JSON.parse(text);
  } catch (cause) {
    throw invalidArgument(`seccomp profile is not JSON: ${messageOf(cause)}`, { cause });
  }
  const { defaultAction, defaultErrnoRet, architectures, archMap, syscalls } = (profile ?? {}) as {
    [key: string]: unknown;
  };
  if (typeof defaultAction !== "string") throw invalidArgument("seccomp profile has no defaultAction");
  if (!Array.isArray(syscalls)) throw invalidArgument("seccomp profile has no list of syscalls");
  for (const rule of syscalls) {
    if (rule?.includes && Object.keys(rule.includes).length > 0)
      throw invalidArgument("seccomp profile has conditional rules (includes): give one without");
  }
  const listed = Array.isArray(architectures) ? architectures : [];
  const mapped = Array.isArray(archMap) ? archMap.flatMap((m) => [m.architecture, ...(m.subArchitectures ?? [])]) : [];
  return {
    defaultAction,
    ...(typeof defaultErrnoRet === "number" ? { defaultErrnoRet } : {}),
    architectures: [...listed, ...mapped].map(String),
    syscalls: syscalls.map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(typeof errnoRet === "number" ? { errnoRet } : {}),
      ...(Array.isArray(args) && args.length > 0 ? { args } : {}),
    })),
  };
}
