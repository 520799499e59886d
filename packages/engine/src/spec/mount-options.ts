// Options of a bind mount. The kernel ignores what it does not know of them (mount(2): data is for file systems), and so
// do OCI runtimes: a `readonly` for `ro` would give a directory that can be written to.
import { release } from "node:os";
import { invalidArgument } from "@berth/base";

/** What each excludes. */
const pairs: readonly (readonly [string, string])[] = [
  ["ro", "rw"],
  ["nosuid", "suid"],
  ["nodev", "dev"],
  ["noexec", "exec"],
  ["noatime", "atime"],
  ["nodiratime", "diratime"],
  ["relatime", "norelatime"],
  ["strictatime", "nostrictatime"],
];
const propagation = ["shared", "slave", "private", "unbindable"].flatMap((kind) => [kind, `r${kind}`]);
/** The same flags for everything below as well (mount_setattr(2)). */
const recursive = pairs.flat().map((name) => `r${name}`);
const known = new Set(["bind", "rbind", ...pairs.flat(), ...propagation, ...recursive]);

/** Throws invalid-argument for an option that would not be obeyed, or that another one takes back. */
export function checkBindOptions(options: readonly string[], destination: string): void {
  const at = `mount at ${destination}`;
  for (const option of options)
    if (!known.has(option))
      throw invalidArgument(
        `${at}: option ${JSON.stringify(option)} does nothing for a directory that is bound: leave it out`,
      );
  for (const [one, other] of [...pairs, ...pairs.map(([a, b]) => [`r${a}`, `r${b}`] as const)])
    if (options.includes(one) && options.includes(other))
      throw invalidArgument(`${at}: options ${one} and ${other} contradict each other: give one`);
}

/**
 * The options with `rro` beside `ro` of an `rbind`: `ro` alone leaves what is mounted below writable. Kernels before
 * 5.12 cannot; an older runtime takes it for data, which a bind mount ignores.
 */
export function withReadOnlyBelow(options: readonly string[], kernel = release()): string[] {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const canDo = major > 5 || (major === 5 && minor >= 12);
  const wants = options.includes("rbind") && options.includes("ro") && !options.includes("rrw");
  return wants && canDo && !options.includes("rro") ? [...options, "rro"] : [...options];
}
