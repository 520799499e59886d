// Stdio over a terminal: the runtime sends its master over a socket, and output goes to stdout only.
import { BerthError } from "@berth/base";
import { type Fd, hex, mkdirAll, pipe, randomBytes, receiveDescriptor, removeTree, setTerminalSize } from "@berth/host";
import { type InputPump, startInputPump } from "./input-pump.ts";
import type { LogStream } from "./log-output.ts";
import type { LoggerProcess } from "./logger-process.ts";
import { openOutput } from "./output-file.ts";
import { type OutputPump, startOutputPump } from "./output-pump.ts";
import { closeAll, type Stdio, type StdioRequest, stdioError } from "./stdio.ts";
import { parseOutput } from "./stdio-target.ts";

const CONSOLE_MS = 30_000;

/** `directory` is where the socket's private directory is made: short, as a socket's path must be. */
export async function openTerminalStdio(request: StdioRequest, directory: string): Promise<Stdio> {
  const opened: Fd[] = [];
  const own = (fd: Fd): Fd => {
    opened.push(fd);
    return fd;
  };
  const socketDirectory = `${directory}/pty${hex(randomBytes(6))}`;
  const stop = new AbortController();
  let logger: LoggerProcess | null = null;
  let to: Fd | null = null;
  let tellsOfGaps = false;
  let log: LogStream | null = null;
  let console: Promise<Fd>;
  try {
    const target = parseOutput(request.stdout);
    if (target.kind === "logger") {
      const out = pipe();
      const unused = pipe();
      const { startLogger } = await import("./logger-process.ts");
      for (const fd of [out.read, out.write, unused.read, unused.write]) own(fd);
      logger = await startLogger(target, out.read, unused.read, request.container, request.namespace);
      to = out.write;
      // The logger alone reads: when it dies the pump is told, and counts what is lost. No stderr: it has ended.
      closeAll([out.read, unused.read, unused.write]);
    } else if (target.kind === "log") {
      const { openLogStreams } = await import("./log-output.ts");
      log = (await openLogStreams(target, [1], true))[0] as LogStream;
      to = own(log.fd);
      tellsOfGaps = true;
    } else {
      const output = openOutput(target.kind === "null" ? { kind: "path", path: "/dev/null" } : target);
      to = own(output.fd);
      tellsOfGaps = output.kind === "file";
    }
    mkdirAll(socketDirectory, 0o700);
    console = receiveDescriptor(`${socketDirectory}/pty.sock`, stop.signal).fd;
  } catch (error) {
    closeAll(opened);
    removeTree(socketDirectory);
    throw stdioError(error);
  }
  // Observed in `launched`; a runtime that fails never gets there.
  console.catch(() => {});

  let master: Fd | null = null;
  let output: OutputPump | null = null;
  let input: InputPump | null = null;
  const forget = () => {
    stop.abort();
    removeTree(socketDirectory);
  };
  return {
    child: { stdin: null, stdout: null, stderr: null },
    consoleSocket: `${socketDirectory}/pty.sock`,
    async launched() {
      const timer = setTimeout(() => stop.abort(), CONSOLE_MS);
      try {
        master = await console;
      } catch (error) {
        throw new BerthError("unknown", "failed to retrieve console master: the runtime sent none: unknown", {
          cause: error,
        });
      } finally {
        clearTimeout(timer);
        forget();
      }
      if (to !== null)
        output = startOutputPump(master, to, {
          log: request.log,
          terminal: true,
          tellsOfGaps,
          beforeClose: () => input?.close(),
          sink: log?.sink,
        });
      if (log !== null && output !== null) log.onChange = output.hurry;
      if (request.stdin !== "") input = startInputPump(request.stdin, master, true);
    },
    closeStdin: () => input?.release(),
    resize(width, height) {
      if (master !== null && !master.closed) setTerminalSize(master, width, height);
    },
    async drain(ms) {
      await output?.caughtUp(ms);
    },
    async close() {
      forget();
      input?.close();
      output?.close();
      closeAll([master, ...opened]);
      await logger?.close();
    },
  };
}
