// Stdio over pipes: FIFOs of a client, files, a logger, or nothing.
import { enlargePipe, type Fd, fchown, pipe } from "@berth/host";
import { type InputPump, startInputPump } from "./input-pump.ts";
import type { LogStream } from "./log-output.ts";
import type { LoggerPipes } from "./logger-pipes.ts";
import { type OpenOutput, openOutput } from "./output-file.ts";
import { type OutputPump, startOutputPump } from "./output-pump.ts";
import { closeAll, type Stdio, type StdioRequest, stdioError } from "./stdio.ts";
import { type OutputTarget, parseErrorOutput, parseOutput } from "./stdio-target.ts";

/**
 * What a pipe that we empty holds, and a client's FIFO behind it. With the usual 64 KiB the container waits for each
 * wake-up of ours; with more than this it is no faster, and what nobody reads is charged to the container's memory. A
 * logger's pipe stays as it is: measured, 1 MiB was slower there.
 */
const PIPE_BYTES = 1 << 18;

/** One output while the runtime has not started: the container's end, ours, and where it goes. */
interface Output {
  readonly inner: Fd;
  readonly outer: Fd;
  readonly to: OpenOutput;
  readonly log: LogStream | null;
}

/** Opens everything that the request names; nothing stays open where one of it fails. */
export async function openPipedStdio(request: StdioRequest): Promise<Stdio> {
  const opened: Fd[] = [];
  try {
    return await open(request, opened);
  } catch (error) {
    closeAll(opened);
    throw stdioError(error);
  }
}

async function open(request: StdioRequest, opened: Fd[]): Promise<Stdio> {
  const own = <F extends Fd>(fd: F): F => {
    opened.push(fd);
    return fd;
  };
  const newPipe = (inner: "read" | "write"): { inner: Fd; outer: Fd } => {
    const ends = pipe();
    own(ends.read);
    own(ends.write);
    if (request.uid !== 0 || request.gid !== 0) fchown(ends[inner], request.uid, request.gid);
    return inner === "read" ? { inner: ends.read, outer: ends.write } : { inner: ends.write, outer: ends.read };
  };

  const target = parseOutput(request.stdout);
  const shared = target.kind === "file" || target.kind === "logger" || target.kind === "log";
  const errorTarget = shared ? target : parseErrorOutput(request.stderr);
  const input = request.stdin === "" ? null : newPipe("read");

  let logger: LoggerPipes | null = null;
  let out: Output | null = null;
  let err: Output | null = null;
  let stdout: Fd | null = null;
  let stderr: Fd | null = null;
  if (target.kind === "logger") {
    const first = newPipe("write");
    const second = newPipe("write");
    const { startLogger } = await import("./logger-process.ts");
    const { holdForLogger } = await import("./logger-pipes.ts");
    const process = await startLogger(target, first.outer, second.outer, request.container, request.namespace);
    logger = holdForLogger(process, [first.outer, second.outer], request.log);
    stdout = first.inner;
    stderr = second.inner;
  } else {
    const through = (to: OpenOutput, log: LogStream | null): Output => {
      own(to.fd);
      const ends = newPipe("write");
      enlargePipe(ends.inner, PIPE_BYTES);
      if (to.kind === "fifo") enlargePipe(to.fd, PIPE_BYTES);
      return { to, log, ...ends };
    };
    const output = (of: OutputTarget): Output | null =>
      of.kind === "path" || of.kind === "file" ? through(openOutput(of), null) : null;
    if (target.kind === "log") {
      const { openLogStreams } = await import("./log-output.ts");
      const streams = await openLogStreams(target, [1, 2], false);
      for (const { fd } of streams) own(fd);
      [out = null, err = null] = streams.map((log) => through({ fd: log.fd, kind: "file" }, log));
    } else {
      out = output(target);
      err = output(errorTarget);
    }
    stdout = out?.inner ?? null;
    stderr = err?.inner ?? null;
  }

  const pumps: OutputPump[] = [];
  let inputPump: InputPump | null = null;
  return {
    child: { stdin: input?.inner ?? null, stdout, stderr },
    consoleSocket: null,
    async launched() {
      closeAll([input?.inner ?? null, stdout, stderr]);
      for (const each of [out, err]) {
        if (each === null) continue;
        const pump = startOutputPump(each.outer, each.to.fd, {
          log: request.log,
          terminal: false,
          tellsOfGaps: each.to.kind === "file",
          sink: each.log?.sink,
        });
        if (each.log !== null) each.log.onChange = pump.hurry;
        pumps.push(pump);
      }
      if (input !== null) inputPump = startInputPump(request.stdin, input.outer, false);
    },
    closeStdin: () => inputPump?.release(),
    resize() {},
    async drain(ms) {
      await Promise.all([...pumps.map((pump) => pump.caughtUp(ms)), logger?.caughtUp(ms)]);
    },
    async close() {
      for (const pump of pumps) pump.close();
      inputPump?.close();
      closeAll([input?.inner ?? null, stdout, stderr]);
      await logger?.close();
      closeAll(opened);
    },
  };
}
