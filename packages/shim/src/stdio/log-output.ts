// A container's log as the target of pumps: records, in files that are rotated before they outgrow their limit.
import {
  type Fd,
  isCode,
  moveToLog,
  O,
  open,
  replaceDescriptor,
  type Sink,
  SystemError,
  writeToLog,
} from "@berth/host";
import { closeAll } from "./stdio.ts";
import type { LogTarget } from "./stdio-target.ts";

const EAGAIN = 11;
const EIO = 5;
/** States of a pump's step (pump.c). */
const TARGET_ERROR = 5;
const WAIT = 6;
const RETRY_MS = 1000;

/** One stream's way into the log: 1 is stdout (and a terminal), 2 stderr. */
export interface LogStream {
  /** The log, by a descriptor of this stream's own, which its pump closes. */
  readonly fd: Fd;
  readonly sink: Sink;
  /** Called when the log takes bytes again, and when it has failed. */
  onChange: () => void;
}

/**
 * Opens the log, once for each stream. A log that cannot be rotated, or begun, for want of room, loses output like a full
 * disk does, and is tried again each second: its limit holds, and so does the promise that nothing stops a container.
 */
export async function openLogStreams(target: LogTarget, streams: readonly number[], terminal: boolean) {
  const rotation = await import("./log-rotation.ts");
  let at: "open" | "full" | "failed" = "open";
  let errno = 0;

  const change = (to: "open" | "failed") => {
    at = to;
    for (const stream of opened) if (!stream.fd.closed) stream.onChange();
  };
  const rotate = async () => {
    const users = opened.filter(({ fd }) => !fd.closed);
    if (users.length === 0) return;
    at = "full";
    const next: Fd[] = [];
    try {
      const { openLog, openNextLog } = await import("./log-rotation.ts");
      for (const { fd } of users) next.push(next.length === 0 ? openNextLog(fd, target) : openLog(target));
      for (const [i, { fd }] of users.entries()) if (!fd.closed) replaceDescriptor(fd, next[i] as Fd);
      change("open");
    } catch (error) {
      fail(error);
    } finally {
      closeAll(next);
    }
  };
  const fail = (error: unknown) => {
    errno = error instanceof SystemError ? error.errno : EIO;
    change("failed");
    setTimeout(() => void rotate(), RETRY_MS);
  };

  const opened: LogStream[] = [];
  const add = (stream: number, fd: Fd) =>
    opened.push({
      fd,
      sink: {
        move(from, to, cap, result) {
          const rest = at === "open" ? moveToLog(from, to, cap, stream, target.bytes, terminal, result) : null;
          if (at === "open" && result[1] === WAIT) void rotate();
          else if (at !== "open") result.set([0, at === "full" ? WAIT : TARGET_ERROR, errno, 0]);
          return rest;
        },
        write: (to, bytes) => (at === "open" ? writeToLog(to, stream, bytes) : at === "full" ? -EAGAIN : -errno),
      },
      onChange() {},
    });
  try {
    for (const stream of streams) add(stream, rotation.openLog(target));
  } catch (error) {
    closeAll(opened.map(({ fd }) => fd));
    opened.length = 0;
    if (!isCode(error, "ENOSPC", "EDQUOT", "EIO")) throw error;
    for (const stream of streams) add(stream, open("/dev/null", O.WRONLY));
    fail(error);
  }
  return opened;
}
