// From a profile to what the OCI runtime is told: conditions are decided here, by docker's rules, for the runtime knows
// none.
import type { OciSeccomp } from "../oci.ts";
import { architectureNames, type SeccompCondition, type SeccompProfile } from "./read-seccomp.ts";

/** What conditions ask about. */
export interface SeccompHost {
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
  /** Node's name of the machine (`process.arch`). */
  readonly arch: string;
  /** `uname -r` */
  readonly kernel: string;
}

/** Node's names where conditions have others. Debian's and everybody's ppc64 is little-endian, and so is Node's. */
const conditionNames: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "x86",
  ppc64: "ppc64le",
  mipsel: "mipsel",
};

export function resolveSeccomp(profile: SeccompProfile, host: SeccompHost): OciSeccomp {
  const arch = conditionNames[host.arch] ?? host.arch;
  const mapped = profile.archMap.find((one) => one.architecture === architectureNames[arch]);
  // Without any, the runtime takes the machine's own, and the kernel kills what comes by another.
  const architectures =
    mapped === undefined ? profile.architectures : [mapped.architecture, ...mapped.subArchitectures];
  const holds = {
    arch: (name: string) => name === arch,
    capability: (name: string) => host.capabilities.includes(name),
    kernel: atLeast(host.kernel),
  };
  const applies = ({ includes, excludes }: SeccompProfile["syscalls"][number]) =>
    (excludes === null || !meetsAny(excludes, holds)) && (includes === null || meetsAll(includes, holds));
  const { defaultErrnoRet, defaultErrno, listenerPath, listenerMetadata, flags } = profile;
  return {
    defaultAction: profile.defaultAction,
    ...errnoOf(defaultErrnoRet ?? defaultErrno, "defaultErrnoRet"),
    ...(architectures.length > 0 ? { architectures } : {}),
    ...(flags.length > 0 ? { flags } : {}),
    ...(listenerPath === null ? {} : { listenerPath }),
    ...(listenerMetadata === null ? {} : { listenerMetadata }),
    syscalls: profile.syscalls.filter(applies).map(({ name, names, action, args, errnoRet, errno }) => ({
      names: name === null ? names : [name],
      action,
      ...errnoOf(errnoRet ?? errno, "errnoRet"),
      ...(args.length === 0
        ? {}
        : { args: args.map(({ valueTwo, ...rest }) => (valueTwo === null ? rest : { ...rest, valueTwo })) }),
    })),
  };
}

const errnoOf = <K extends string>(errno: number | bigint | null, key: K): { [P in K]?: number | bigint } =>
  errno === null ? {} : ({ [key]: errno } as { [P in K]: number | bigint });

interface Holds {
  arch(name: string): boolean;
  capability(name: string): boolean;
  kernel(version: { readonly major: number; readonly minor: number }): boolean;
}

/** Includes: one of the architectures, every capability, the kernel. What is not named is met. */
const meetsAll = ({ arches, caps, minKernel }: SeccompCondition, holds: Holds): boolean =>
  (arches.length === 0 || arches.some(holds.arch)) &&
  caps.every(holds.capability) &&
  (minKernel === null || holds.kernel(minKernel));

/** Excludes: one thing of all is enough. */
const meetsAny = ({ arches, caps, minKernel }: SeccompCondition, holds: Holds): boolean =>
  arches.some(holds.arch) || caps.some(holds.capability) || (minKernel !== null && holds.kernel(minKernel));

function atLeast(release: string): Holds["kernel"] {
  const [major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(release)?.slice(1) ?? []).map(Number);
  return (version) => major > version.major || (major === version.major && minor >= version.minor);
}
