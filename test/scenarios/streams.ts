// A client's ends of FIFOs.
import { execFileSync } from "node:child_process";
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { until } from "../support/until.ts";

export interface Reading {
  readonly path: string;
  /** All of it, once every writer has closed. */
  readonly whole: Promise<Buffer>;
  /** What has come so far. */
  text(): string;
  close(): void;
}

export function makeFifo(path: string): string {
  execFileSync("mkfifo", ["-m", "600", path]);
  return path;
}

/** Reads a FIFO to its end. */
export function readFifo(path: string): Reading {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  const chunks: Buffer[] = [];
  const { promise: whole, resolve } = Promise.withResolvers<Buffer>();
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("close", () => resolve(Buffer.concat(chunks)));
  return { path, whole, text: () => Buffer.concat(chunks).toString(), close: () => socket.destroy() };
}

export interface Writing {
  write(bytes: string | Uint8Array): Promise<void>;
  /** Closes our end. */
  end(): Promise<void>;
}

/** -1 where nobody reads it. */
function openToWrite(path: string): number {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENXIO") return -1;
    throw error;
  }
}

/** Opens a FIFO that somebody reads, or will: Go's shim opens a process's stdin beside its start. */
export async function writeFifo(path: string): Promise<Writing> {
  let fd = -1;
  await until(() => {
    fd = openToWrite(path);
    return fd !== -1;
  }, `${path} has a reader`);
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on("error", () => {}); // a reader that has gone is what some scenarios are about
  return {
    write: (bytes) => new Promise((done) => socket.write(bytes, () => done())),
    end: () =>
      new Promise((done) => {
        socket.once("close", () => done());
        socket.end(() => socket.destroy());
      }),
  };
}
