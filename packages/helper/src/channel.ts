// One `berth-launch` and the calls that wait for its answers. Frames: program/frame.ts.
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { type Log, messageOf, unavailable } from "@berth/base";

/** Its descriptor of our socket. */
const CHANNEL = 3;
const PREFIX = 8;

export interface Answer {
  /** Of a command. */
  readonly status?: number;
  /** Bytes of the body that are stdout; the rest is stderr. */
  readonly stdout?: number;
  /** Of a signal: it was sent. */
  readonly done?: boolean;
  readonly body: Buffer;
}

interface Reply extends Omit<Answer, "body"> {
  readonly id: number;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Waiting {
  readonly about: string;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** An error that the program has answered with. `code` is the errno's name, empty for none. */
export class HelperError extends Error {
  override name = "HelperError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class Channel {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  readonly #log: Log;
  #rest: Buffer = Buffer.alloc(0);
  #last = 0;
  over = false;
  /** Has answered at least once. */
  served = false;

  constructor(program: string, env: NodeJS.ProcessEnv, log: Log) {
    this.#log = log;
    this.#child = spawn(program, [], {
      // Away from our terminal: an interrupt is for us, and we tell it.
      detached: true,
      cwd: "/",
      env,
      stdio: ["ignore", "ignore", "inherit", "pipe"],
    });
    this.#socket = this.#child.stdio[CHANNEL] as Socket;
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", (err) => {
        this.#end(messageOf(err));
        resolve();
      });
    });
    this.#child.unref();
    this.#socket?.unref();
    this.#socket?.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket?.on("error", (err) => this.#end(messageOf(err)));
    this.#socket?.on("close", () => this.#end("it has ended"));
  }

  /** Asks for a call. `about` is what errors name. */
  request(
    about: string,
    head: Readonly<Record<string, unknown>> & { readonly call: string },
    body: Uint8Array = new Uint8Array(0),
  ): { id: number; answer: Promise<Answer> } {
    const id = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, { about, resolve, reject });
    // Only what is under way keeps this process going.
    this.#socket.ref();
    this.#send({ id, ...head }, body);
    return { id, answer: promise };
  }

  /** Ends the command that was asked for, whose answer still comes. */
  cancel(id: number): void {
    if (this.#waiting.has(id)) this.#send({ id, call: "cancel" });
  }

  /** Its answer will not be waited for. */
  giveUp(id: number, why: Error): void {
    this.#take(id)?.reject(why);
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    this.#child.ref();
    await this.#exited;
  }

  #send(head: object, body: Uint8Array = new Uint8Array(0)): void {
    const text = Buffer.from(JSON.stringify(head));
    const prefix = Buffer.allocUnsafe(PREFIX);
    prefix.writeUInt32BE(text.length, 0);
    prefix.writeUInt32BE(body.length, 4);
    this.#socket.write(Buffer.concat([prefix, text, body]));
  }

  #receive(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= PREFIX) {
      const head = this.#rest.readUInt32BE(0);
      const end = PREFIX + head + this.#rest.readUInt32BE(4);
      if (this.#rest.length < end) return;
      const reply = JSON.parse(this.#rest.toString("utf8", PREFIX, PREFIX + head)) as Reply;
      const body = Buffer.from(this.#rest.subarray(PREFIX + head, end));
      this.#rest = this.#rest.subarray(end);
      this.#settle(reply, body);
    }
  }

  #settle({ id, error, ...answer }: Reply, body: Buffer): void {
    this.served = true;
    // None: it was given up.
    const waiting = this.#take(id);
    if (error === undefined) waiting?.resolve({ ...answer, body });
    else waiting?.reject(new HelperError(error.code, error.message));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#socket?.unref();
    return waiting;
  }

  #end(why: string): void {
    if (this.over) return;
    this.over = true;
    if (this.#waiting.size > 0) this.#log.warn("the launcher has ended", { count: this.#waiting.size, err: why });
    for (const { about, reject } of this.#waiting.values())
      reject(unavailable(`${about} was being done by a helper of berthd that has ended: try again`));
    this.#waiting.clear();
    this.#socket?.destroy();
  }
}
