// The FIFOs between this program's stdio and a process's, which its shim opens from the other side.
import { type Fd, O, open, Pump, type SystemError, stderr, stdin, stdout } from "@berth/host";
import { sleep } from "../session/sleep.ts";
import { type FifoDirectory, makeFifoDirectory } from "./fifo-directory.ts";
import { Keyboard } from "./keyboard.ts";
import { ownDescription } from "./own-description.ts";

export interface StdioOptions {
  readonly address: string;
  readonly interactive: boolean;
  readonly terminal: boolean;
}

/** What Create and Exec are told; empty for a stream that there is not. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without a byte for so long after its end, a process has left its output to another that goes on. */
const quietMs = 100;
const quietRounds = 3;

/**
 * Life: made before the process, so that the reading ends are open when the shim comes; `pumpOutput` before the
 * start, `pumpInput` after it; `drained` after the exit; disposed at the end, or left where the process goes on.
 */
export class ProcessStdio implements Disposable {
  readonly paths: StdioPaths;
  readonly #terminal: boolean;
  readonly #directory: FifoDirectory;
  readonly #outputs: { readonly from: Fd; readonly to: Fd }[] = [];
  readonly #pumps: Pump[] = [];
  /** Both ends of the process's stdin: keeps it open until the shim has it. */
  #input: Fd | null = null;
  #source: Disposable | null = null;

  constructor({ address, interactive, terminal }: StdioOptions) {
    this.#terminal = terminal;
    this.#directory = makeFifoDirectory(address);
    const output = (name: string, to: Fd): string => {
      const path = this.#directory.add(name);
      this.#outputs.push({ from: open(path, O.RDONLY | O.NONBLOCK), to });
      return path;
    };
    const input = (): string => {
      const path = this.#directory.add("stdin");
      this.#input = open(path, O.RDWR | O.NONBLOCK);
      return path;
    };
    this.paths = {
      stdin: interactive ? input() : "",
      stdout: output("stdout", stdout),
      stderr: terminal ? "" : output("stderr", stderr),
    };
  }

  /** `onBroken` is told once a stream why it takes no more; what the process writes to it after that is dropped. */
  pumpOutput(onBroken: (error: SystemError, stream: "stdout" | "stderr") => void): void {
    for (const { from, to } of this.#outputs) {
      let told = false;
      const onError = (error: SystemError): "drop" => {
        if (!told) onBroken(error, to === stdout ? "stdout" : "stderr");
        told = true;
        return "drop";
      };
      this.#pumps.push(new Pump({ from, to: ownDescription(to, O.WRONLY), onError }));
    }
  }

  /** `onEnd` is told when stdin has ended and the process may see that, or when the detach keys were typed. */
  pumpInput(onEnd: (reason: "detach" | "end") => void): void {
    const keeper = this.#input;
    if (keeper === null) return;
    const to = open(this.paths.stdin, O.WRONLY | O.NONBLOCK);
    this.#input = to;
    keeper.close();
    const from = ownDescription(stdin, O.RDONLY);
    const end = (reason: "detach" | "end"): void => {
      to.close();
      onEnd(reason);
    };
    if (this.#terminal) this.#source = new Keyboard(from, to, end);
    else {
      const pump = new Pump({ from, to });
      this.#source = pump;
      void pump.ended.then((reason) => {
        if (reason !== "closed") end("end");
      });
    }
  }

  /** Resolves when all that the process wrote has been passed on. */
  async drained(): Promise<void> {
    let over = false;
    const all = Promise.all(this.#pumps.map((pump) => pump.ended)).then(() => {
      over = true;
    });
    let before = -1;
    for (let quiet = 0; quiet < quietRounds; quiet++) {
      await Promise.race([all, sleep(quietMs)]);
      if (over) return;
      const moved = this.#pumps.reduce((sum, pump) => sum + pump.moved, 0);
      const waiting = this.#pumps.some((pump) => pump.waiting() > 0);
      if (waiting || moved !== before) quiet = 0;
      before = moved;
    }
  }

  /** There is a process that may outlive us: the directory of the FIFOs stays for it, unless this is disposed. */
  keep(): void {
    this.#directory.keep();
  }

  /** The process goes on without us. */
  leave(): void {
    this.#close();
    this.#directory.leave();
  }

  [Symbol.dispose](): void {
    this.#close();
    this.#directory[Symbol.dispose]();
  }

  #close(): void {
    this.#source?.[Symbol.dispose]();
    this.#input?.close();
    for (const pump of this.#pumps) pump.close();
    for (const { from } of this.#outputs) from.close();
  }
}
