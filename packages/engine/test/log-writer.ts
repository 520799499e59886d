// Writes a log's files as the shim does (packages/host/c/log.c, packages/shim/src/log-rotation.ts).
import { appendFileSync, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export function record(stream: 1 | 2, text: string | Uint8Array): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.alloc(12);
  head.writeUInt32LE((payload.length | (stream << 24)) >>> 0, 0);
  head.writeBigUInt64LE(BigInt(Date.now()) * 1_000_000n, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(payload.length, 0);
  return Buffer.concat([head, payload, tail]);
}

function fileHead(sequence: number): Buffer {
  const head = Buffer.alloc(16);
  head.write("berthlog", "latin1");
  head.writeUInt32LE(1, 8);
  head.writeUInt32LE(sequence, 12);
  return head;
}

export class LogWriter {
  readonly path: string;
  readonly #files: number;
  #sequence = 0;

  constructor(directory: string, files = 3) {
    mkdirSync(directory, { recursive: true });
    this.path = join(directory, "log");
    this.#files = files;
    this.begin();
  }

  begin(): void {
    writeFileSync(this.path, fileHead(++this.#sequence));
  }

  say(text: string, stream: 1 | 2 = 1): void {
    appendFileSync(this.path, record(stream, text));
  }

  bytes(bytes: Uint8Array): void {
    appendFileSync(this.path, bytes);
  }

  get size(): number {
    return statSync(this.path).size;
  }

  makeRoom(): void {
    for (let index = this.#files - 1; index > 0; index--) {
      const from = index === 1 ? this.path : `${this.path}.${index - 1}`;
      if (existsSync(from)) renameSync(from, `${this.path}.${index}`);
    }
  }

  rotate(): void {
    this.makeRoom();
    this.begin();
  }
}
