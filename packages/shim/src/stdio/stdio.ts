// Holds a process's stdio open: what the runtime passes to the container, and what moves the bytes to the client.
import { BerthError, type Log, messageOf } from "@berth/base";
import type { Fd } from "@berth/host";

/** Where the bytes of a process go and come from; the same for pipes and terminals. */
export interface Stdio {
  /** For the runtime; gone after `launched`. */
  readonly child: { readonly stdin: Fd | null; readonly stdout: Fd | null; readonly stderr: Fd | null };
  /** Path of the socket for the terminal; null where there is none. */
  readonly consoleSocket: string | null;
  /** The runtime has come back: lets go of the container's ends, waits for the terminal, starts moving bytes. */
  launched(): Promise<void>;
  /** No more input: end of file once every client has closed its end too. */
  closeStdin(): void;
  /** Without a terminal nothing happens. */
  resize(width: number, height: number): void;
  /** Resolves when what the process has written so far has been passed on, at the latest after `ms`. */
  drain(ms: number): Promise<void>;
  /** Lets go of everything; waits for a logger to end. */
  close(): Promise<void>;
}

export interface StdioRequest {
  readonly container: string;
  readonly namespace: string;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  /** Owner of the pipes, for a container whose user must reopen them (`/dev/stdout`). */
  readonly uid: number;
  readonly gid: number;
  readonly log: Log;
}

/** Closes in the order given, once. */
export function closeAll(fds: readonly (Fd | null)[]): void {
  for (const fd of fds) fd?.close();
}

/** The error of stdio that cannot be opened. */
export const stdioError = (error: unknown): BerthError =>
  error instanceof BerthError
    ? error
    : new BerthError("unknown", `failed to create process I/O: ${messageOf(error)}: unknown`, { cause: error });
