// Overlays of more layers than fit the page of options that mount(2) takes.
import { native } from "berth:native";
import { shortOptions } from "@berth/base";
import { O, open, read } from "./descriptors.ts";
import { Fd } from "./fd.ts";
import { MS, mount } from "./mounts.ts";
import { check, isCode } from "./system-error.ts";

declare module "berth:native" {
  interface Native {
    // mount_api.c
    chdir(path: string): Result;
    fsopen(type: string): Result;
    fsconfig(configuration: number, command: number, key: string | null, value: string | null): Result;
    fsmount(configuration: number, attributes: number): Result;
    moveMount(mount: number, target: string): Result;
  }
}

/** linux/mount.h */
const SET_FLAG = 0;
const SET_STRING = 1;
const CREATE = 6;
const attributes: readonly (readonly [flag: number, attribute: number])[] = [
  [MS.RDONLY, 0x01],
  [MS.NOSUID, 0x02],
  [MS.NODEV, 0x04],
  [MS.NOEXEC, 0x08],
  [MS.NOATIME, 0x10],
  [MS.STRICTATIME, 0x20],
  [MS.NODIRATIME, 0x80],
];

/** Bytes of options, with the zero at the end, that mount(2) takes. */
const PAGE = 4096;

/** Bytes of one value, with the zero at the end, that fsconfig(2) takes. */
const VALUE = 256;

const isDirectory = (key: string): boolean => key === "upperdir" || key === "workdir";

/** Whether mount(2) takes such options. */
export const fitsPage = (data: string): boolean => new TextEncoder().encode(data).length < PAGE;

/**
 * Mounts an overlay whose options do not fit a page: lower directories are named from the one above them all, as
 * containerd does; where that is too long, they are given one by one (Linux 6.5; 500 at most). `target` is absolute.
 */
export function mountOverlay(source: string, target: string, flags: number, options: readonly string[]): void {
  const { directory, lower, others } = shortOptions(options);
  using here = open(".", O.PATH | O.DIRECTORY);
  if (directory !== "") enter(directory);
  try {
    const data = [...others, `lowerdir=${lower.join(":")}`].join(",");
    if (fitsPage(data)) mount(source, target, "overlay", flags, data);
    else {
      using made = detachedOverlay(source, flags, lower, others);
      check(native.moveMount(made.number, target), "move_mount", target);
    }
  } finally {
    enter(`/proc/self/fd/${here.number}`);
  }
}

/**
 * An overlay that is mounted nowhere, by the descriptor of its root (O_PATH): it needs no mount namespace, and goes when
 * the descriptor is closed. Before Linux 6.5 all lower directories together have 255 bytes at most.
 */
export function detachedOverlay(
  source: string,
  flags: number,
  lower: readonly string[],
  others: readonly string[],
): Fd {
  using configuration = new Fd(check(native.fsopen("overlay"), "fsopen", "overlay"), "overlay");
  const held: Fd[] = [];
  /** A path that is too long is named by a descriptor, which is held until the overlay has the directory. */
  const short = (path: string): string => {
    if (new TextEncoder().encode(path).length < VALUE) return path;
    const directory = open(path, O.PATH | O.DIRECTORY);
    held.push(directory);
    return `/proc/self/fd/${directory.number}`;
  };
  const set = (command: number, key: string | null, value: string | null): void => {
    const result = native.fsconfig(configuration.number, command, key, value);
    if (typeof result === "number" && result < 0)
      check(result, "fsconfig", `${key ?? source}${complaintOf(configuration)}`);
  };
  try {
    set(SET_STRING, "source", source);
    if ((flags & MS.RDONLY) !== 0) set(SET_FLAG, "ro", null);
    for (const option of others) {
      const equals = option.indexOf("=");
      if (equals < 0) set(SET_FLAG, option, null);
      else {
        const [key, value] = [option.slice(0, equals), option.slice(equals + 1)];
        set(SET_STRING, key, isDirectory(key) ? short(value) : value);
      }
    }
    const [only = ""] = lower;
    if (lower.length === 1) set(SET_STRING, "lowerdir", short(only));
    else for (const path of lower) set(SET_STRING, "lowerdir+", short(path));
    set(CREATE, null, null);
  } finally {
    for (const directory of held) directory.close();
  }
  const wanted = attributes.reduce((sum, [flag, attribute]) => ((flags & flag) !== 0 ? sum | attribute : sum), 0);
  return new Fd(check(native.fsmount(configuration.number, wanted), "fsmount", source), source);
}

/** What the kernel says of the last error, such as ` (too many lower directories, limit is 500)`. */
function complaintOf(configuration: Fd): string {
  try {
    const said = new TextDecoder().decode(read(configuration, 1024) ?? new Uint8Array());
    return ` (${said.replace(/^e (overlay: )?/, "").trim()})`;
  } catch (error) {
    if (isCode(error, "ENODATA")) return "";
    throw error;
  }
}

function enter(directory: string): void {
  check(native.chdir(directory), "chdir", directory);
}
