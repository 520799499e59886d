// A shim writes its log into a fifo of its bundle. We hold it open for reading and writing, so that it has
// no end when a shim goes, and read what is there without a thread: a net.Socket takes a fifo's descriptor.
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Clock, Log } from "@berth/base";

const LINE_LIMIT = 2_048;
/** Lines a second that are passed on; a shim in trouble must not become ours. */
const LINES_PER_SECOND = 100;

export interface ShimLog extends Disposable {
  close(): void;
}

const none: ShimLog = { close() {}, [Symbol.dispose]() {} };

/** Passes the lines of a shim's log on to ours. Where there is no fifo, there is nothing to read. */
export function openShimLog(path: string, log: Log, clock: Clock): ShimLog {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (err) {
    log.debug("the log of a shim cannot be read", { path, err });
    return none;
  }
  if (!fstatSync(fd).isFIFO()) {
    closeSync(fd);
    return none;
  }
  const socket = new Socket({ fd, readable: true, writable: false });
  const lines = lineSplitter(throttled(log, clock));
  socket.on("data", lines);
  socket.on("error", (err) => log.debug("the log of a shim cannot be read", { path, err }));
  const close = () => void socket.destroy();
  return { close, [Symbol.dispose]: close };
}

/** Splits bytes into lines, cutting off what is longer than a line may be. */
export function lineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = "";
  let skipping = false;
  return (chunk) => {
    // Bytes outside ASCII may be cut in two by a chunk; a log is for people, who will guess.
    const parts = (rest + chunk.toString("utf8")).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (!skipping && part !== "") onLine(part.slice(0, LINE_LIMIT));
      skipping = false;
    }
    if (rest.length > LINE_LIMIT) {
      if (!skipping) onLine(rest.slice(0, LINE_LIMIT));
      skipping = true;
      rest = "";
    }
  };
}

function throttled(log: Log, clock: Clock): (line: string) => void {
  let second = 0n;
  let lines = 0;
  return (line) => {
    const now = clock.now() / 1_000_000_000n;
    if (now !== second) {
      if (lines > LINES_PER_SECOND) log.warn("lines of a shim's log were dropped", { count: lines - LINES_PER_SECOND });
      second = now;
      lines = 0;
    }
    if (++lines > LINES_PER_SECOND) return;
    if (/level=(warning|error|fatal|panic)\b/.test(line)) log.warn("shim log", { err: line });
    else log.debug("shim log", { err: line });
  };
}
