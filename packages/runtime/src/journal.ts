// Our own record in each bundle, written before a shim is launched. Whatever happens to us afterwards, who
// comes next knows from it what may be running and how far it had come.
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Instant, instantOfMs } from "@berth/base";
import type { ProcessIdentity } from "@berth/helper";
import type { Attended } from "./attendance.ts";
import { socketPath } from "./bootstrap-reply.ts";

export interface Journal {
  readonly version: 1;
  /** Nothing of another boot is alive. */
  readonly bootId: string;
  /** In the environment of everything that the launch has started. */
  readonly launchId: string;
  /** Path of the shim. */
  readonly shim: string;
  /** `launching` until Create has been answered: until then nobody was told, and it is all undone. */
  readonly phase: "launching" | "created";
  readonly address: string;
  /** Version of the task service: 2 or 3. */
  readonly api: number;
  readonly shimProcess: ProcessIdentity | null;
  readonly init: ProcessIdentity | null;
  /** Init's exit, once it was published. */
  readonly exit: { readonly pid: number; readonly status: number; readonly at: Instant } | null;
  /** The kernel has killed in its cgroup for lack of memory. */
  readonly outOfMemory: boolean;
  /** Processes that clients of ours have made, by exec id, empty for init. */
  readonly attended: Readonly<Record<string, Attended>>;
}

const FILE = "berth.json";
/** Where the next journal is written to. */
export const NEXT_JOURNAL = `.${FILE}`;

/** The first file of a bundle of ours: until there is a journal, it says whose the bundle is. */
export function beginJournal(bundle: string): void {
  closeSync(openSync(join(bundle, NEXT_JOURNAL), constants.O_WRONLY | constants.O_CREAT, 0o600));
}

/**
 * Replaces the journal at once: a reader sees the old or the new one. The directory is a tmpfs, so no fsync. What the next
 * one is written to is there already, so that an exit can be noted when the disk is full.
 */
export function writeJournal(bundle: string, journal: Journal): void {
  const next = join(bundle, NEXT_JOURNAL);
  const text = JSON.stringify(journal, (_, value) => (typeof value === "bigint" ? String(value) : value));
  // Not cut first, which would give its blocks back.
  const fd = openSync(next, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, done);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
  renameSync(next, join(bundle, FILE));
  keepRoom(next, text.length);
}

/** The blocks are those of the journal that was just replaced; where they are gone, the next one may find none. */
function keepRoom(path: string, bytes: number): void {
  try {
    writeFileSync(path, Buffer.alloc(bytes), { mode: 0o600 });
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

const isFull = (error: unknown): boolean => ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");

/**
 * The journal of a bundle, or null where there is none (containerd made the bundle, or we died before it) or one that was
 * damaged: all of it can be relied on, or nothing.
 */
export function readJournal(bundle: string): Journal | null {
  let text: string;
  try {
    text = readFileSync(join(bundle, FILE), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text, (key, value) => (key === "at" ? instantIn(value) : value));
    // Version 0.1 noted nothing of memory and clients.
    return isJournal(value)
      ? { ...value, outOfMemory: value.outOfMemory === true, attended: value.attended ?? {} }
      : null;
  } catch {
    // Not JSON, or an address or a time that is none.
    return null;
  }
}

function isJournal(value: unknown): value is Journal {
  if (typeof value !== "object" || value === null) return false;
  const { version, phase, address, api, shimProcess, init, exit, ...texts } = value as Record<string, unknown>;
  if (typeof address !== "string") return false;
  if (address !== "" || phase !== "launching") socketPath(address);
  return (
    version === 1 &&
    (phase === "launching" || phase === "created") &&
    (api === 2 || api === 3) &&
    [texts.bootId, texts.launchId, texts.shim].every((text) => typeof text === "string") &&
    [shimProcess, init].every((process) => process === null || isIdentity(process)) &&
    (exit === null || isExit(exit)) &&
    Object.values(texts.attended ?? {}).every(isAttended)
  );
}

const isIdentity = (value: unknown): boolean => {
  const { pid, startTime } = value as ProcessIdentity;
  return Number.isSafeInteger(pid) && typeof startTime === "string";
};

const isAttended = (value: unknown): boolean => {
  const { directory, left } = value as Attended;
  return typeof directory === "string" && typeof left === "boolean";
};

const isExit = (value: unknown): boolean => {
  const { pid, status, at } = value as NonNullable<Journal["exit"]>;
  return Number.isSafeInteger(pid) && Number.isSafeInteger(status) && typeof at === "bigint";
};

/** A journal of version 0.1 has milliseconds; later ones the digits of nanoseconds, which no JSON number holds. */
function instantIn(value: unknown): Instant {
  return typeof value === "number" ? instantOfMs(value) : BigInt(String(value));
}
