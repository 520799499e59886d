// A seccomp profile as users write it: the OCI form (config-linux.md, "Seccomp"), with what docker's and podman's files
// have besides: rules for some capabilities, architectures or kernels only, a map of architectures, errnos by name.
import { constants } from "node:os";
import { invalidArgument, messageOf } from "@berth/base";
import { checkBounds } from "@berth/images";
import { parseExact } from "../exact-json.ts";
import { capabilityName } from "./capabilities.ts";
import { integer, list, matching, object, oneOf, optional, type Read, text } from "./strict-fields.ts";

const actions = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
] as const;

const operators = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;

const flags = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
] as const;

const word = (name: string) => name.toUpperCase();

/** What conditions call a machine, with libseccomp's name for it (seccomp_arch_add(3)). */
export const architectureNames: Readonly<Record<string, string>> = Object.fromEntries(
  "x86 amd64:x86_64 x32 arm arm64:aarch64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 ppc ppc64 ppc64le s390 s390x parisc parisc64 riscv64 loong64:loongarch64"
    .split(" ")
    .map((pair) => pair.split(":"))
    .map(([name = "", library = name]) => [name, `SCMP_ARCH_${word(library)}`]),
);

const UINT32 = 2 ** 32 - 1;
const UINT64 = 2n ** 64n - 1n;
/** seccomp(2), SECCOMP_RET_DATA. */
const LARGEST_DATA = 0xffff;

const architecture = oneOf(Object.values(architectureNames));
const errnoName: Read<number> = (value, path) => {
  const number = typeof value === "string" ? (constants.errno as Record<string, number>)[value] : undefined;
  if (number === undefined)
    throw invalidArgument(`${path} must be an errno's name such as EPERM, and is ${JSON.stringify(value)}`);
  return number;
};
const capability: Read<string> = (value, path) => {
  try {
    return capabilityName(text(value, path));
  } catch (cause) {
    throw invalidArgument(`${path}: ${messageOf(cause)}`, { cause });
  }
};
const kernel: Read<{ readonly major: number; readonly minor: number }> = (value, path) => {
  const [major = 0, minor = 0] = matching(/^[0-9]{1,9}\.[0-9]{1,9}$/, "a kernel such as 4.8")(value, path)
    .split(".")
    .map(Number);
  return { major, minor };
};

const condition = object({
  caps: list(capability),
  arches: list(oneOf(Object.keys(architectureNames))),
  minKernel: optional(kernel),
});

const rule = object({
  /** One name; docker's old form. */
  name: optional(matching(/^[a-z_][a-z0-9_]*$/, "the name of a system call")),
  names: list(matching(/^[a-z_][a-z0-9_]*$/, "the name of a system call")),
  action: oneOf(actions),
  args: list(
    object({
      index: integer(0, 5),
      value: integer(0, UINT64),
      valueTwo: optional(integer(0, UINT64)),
      op: oneOf(operators),
    }),
  ),
  errnoRet: optional(integer(0, UINT32)),
  errno: optional(errnoName),
  includes: optional(condition),
  excludes: optional(condition),
  comment: optional(text),
});

const profile = object({
  defaultAction: oneOf(actions),
  defaultErrnoRet: optional(integer(0, UINT32)),
  defaultErrno: optional(errnoName),
  architectures: list(architecture),
  archMap: list(object({ architecture, subArchitectures: list(architecture) })),
  flags: list(oneOf(flags)),
  listenerPath: optional(matching(/^\/[^\0]*$/, "an absolute path")),
  listenerMetadata: optional(text),
  syscalls: list(rule),
});

export type SeccompCondition = NonNullable<ReturnType<typeof condition>>;
/** Everything that the text says, checked: each field can be obeyed. */
export type SeccompProfile = ReturnType<typeof profile>;
export type SeccompProfileRule = ReturnType<typeof rule>;

/** Throws invalid-argument with the JSON path of what cannot be obeyed. */
export function readSeccomp(given: string): SeccompProfile {
  checkBounds(new TextEncoder().encode(given), "the seccomp profile");
  let document: unknown;
  try {
    document = parseExact(given);
  } catch (cause) {
    throw invalidArgument(`seccomp profile is not JSON: ${messageOf(cause)}`, { cause });
  }
  try {
    const read = profile(document, "");
    check(read);
    return read;
  } catch (cause) {
    throw invalidArgument(`seccomp profile: ${messageOf(cause).trimStart()}`, { cause });
  }
}

/** What holds between fields. */
function check(read: SeccompProfile): void {
  const { architectures, archMap, listenerPath, listenerMetadata, syscalls } = read;
  if (architectures.length > 0 && archMap.length > 0)
    throw invalidArgument("architectures and archMap cannot be given both");
  if (listenerMetadata !== null && listenerPath === null)
    throw invalidArgument("listenerMetadata has no listenerPath to be sent to");
  checkErrno(read.defaultAction, read.defaultErrnoRet, read.defaultErrno, "defaultErrnoRet", "defaultErrno");
  for (const [index, each] of syscalls.entries()) checkRule(each, `syscalls[${index}]`, listenerPath !== null);
  if (read.defaultAction === "SCMP_ACT_NOTIFY") throw invalidArgument("defaultAction cannot be SCMP_ACT_NOTIFY");
}

function checkRule(each: SeccompProfileRule, path: string, hasListener: boolean): void {
  if (each.name !== null && each.names.length > 0)
    throw invalidArgument(`${path}.name and ${path}.names cannot be given both`);
  if (each.name === null && each.names.length === 0)
    throw invalidArgument(`${path}.names is empty: name a system call`);
  if (each.action === "SCMP_ACT_NOTIFY" && !hasListener)
    throw invalidArgument(`${path}.action is SCMP_ACT_NOTIFY, and there is no listenerPath to notify`);
  checkErrno(each.action, each.errnoRet, each.errno, `${path}.errnoRet`, `${path}.errno`);
  for (const [at, { op, valueTwo }] of each.args.entries())
    if (op !== "SCMP_CMP_MASKED_EQ" && valueTwo !== null && valueTwo !== 0)
      throw invalidArgument(`${path}.args[${at}].valueTwo is for SCMP_CMP_MASKED_EQ only`);
}

/** A number and a name that mean the same may both be there, as podman writes them. */
function checkErrno(
  action: string,
  number: number | bigint | null,
  named: number | null,
  numberPath: string,
  namePath: string,
): void {
  if (number === null && named === null) return;
  const path = number === null ? namePath : numberPath;
  if (action !== "SCMP_ACT_ERRNO" && action !== "SCMP_ACT_TRACE")
    throw invalidArgument(`${path} is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, and the action is ${action}`);
  if (number !== null && named !== null && number !== named)
    throw invalidArgument(`${numberPath} and ${namePath} say different things`);
  if (number !== null && number > LARGEST_DATA) throw invalidArgument(`${numberPath} is more than ${LARGEST_DATA}`);
}
