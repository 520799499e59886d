// Every byte that a container writes before it exits at once is there, in order: with a FIFO by the FIFO's end, in a
// file when the exit is told, with a logger when that has ended. BERTH_LONG: 1,000 containers.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, closeSync, constants, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { Status } from "@berth/proto/containerd/v1/types";
import { type Daemon, openDaemon } from "./harness.ts";

const run = promisify(execFile);
const PERIOD = 65_521;
const pattern = Buffer.alloc(2 * PERIOD);
for (let i = 0, state = 1; i < PERIOD; i++) {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  pattern[i] = 97 + ((state >>> 16) % 26);
  pattern[i + PERIOD] = pattern[i] as number;
}

/** Checks a stream piece by piece. */
class Checker {
  total = 0;
  wrongAt = -1;

  add(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.wrongAt < 0; ) {
      const offset = this.total % PERIOD;
      const count = Math.min(chunk.length - at, PERIOD);
      if (chunk.compare(pattern, offset, offset + count, at, at + count) !== 0) this.wrongAt = this.total;
      at += count;
      this.total += count;
    }
  }

  expect(total: number, what: string): void {
    assert.equal(this.wrongAt, -1, `${what}: what follows byte ${this.wrongAt} is wrong`);
    assert.equal(this.total, total, `${what}: bytes`);
  }
}

function checkFifo(path: string): { checker: Checker; ended: Promise<void> } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const checker = new Checker();
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on("data", (chunk) => checker.add(chunk as Buffer));
  return { checker, ended: new Promise((done, fail) => socket.once("end", done).once("error", fail)) };
}

const buffer = Buffer.alloc(1 << 20);
function checkFile(path: string): Checker {
  const checker = new Checker();
  const fd = openSync(path, "r");
  for (let count = 1; count > 0; ) {
    count = readSync(fd, buffer);
    checker.add(buffer.subarray(0, count));
  }
  closeSync(fd);
  return checker;
}

const sinks = ["fifo", "file", "binary", "terminal to a FIFO", "terminal to a file"] as const;
interface Run {
  readonly sink: (typeof sinks)[number];
  readonly out: number;
  readonly err: number;
  readonly piece: number;
}

async function perform(daemon: Daemon, id: string, { sink, out, err, piece }: Run): Promise<void> {
  const terminal = sink.startsWith("terminal");
  const shim = await daemon.start(id, { args: ["fill", `${out}`, `${err}`, `${piece}`], terminal });
  const path = join(daemon.top, id);
  const finish = async () => {
    await shim.task.delete({ id });
    await shim.task.shutdown({ id });
    for (const end of ["out", "err"]) rmSync(`${path}.${end}`, { force: true });
  };
  const runToEnd = async (request: { stdout: string; stderr?: string }) => {
    await shim.create({ terminal, ...request });
    await shim.task.start({ id });
    assert.equal((await shim.task.wait({ id })).exitStatus, 0);
  };
  if (sink === "fifo" || sink === "terminal to a FIFO") {
    const [stdout, stderr] = [daemon.fifo(`${id}.out`), terminal ? "" : daemon.fifo(`${id}.err`)];
    const streams = [stdout, stderr].filter((fifo) => fifo !== "").map(checkFifo);
    await runToEnd({ stdout, stderr });
    await Promise.all(streams.map(({ ended }) => ended));
    streams[0]?.checker.expect(out, "stdout");
    streams[1]?.checker.expect(err, "stderr");
    await finish();
  } else if (sink === "binary") {
    const logger = `${daemon.top}/logger`;
    writeFileSync(logger, `#!/bin/sh\nexec 5>&-\ncat <&3 > "$2.out" & cat <&4 > "$2.err" &\nwait\n`);
    chmodSync(logger, 0o755);
    await runToEnd({ stdout: `binary://${logger}?path=${path}` });
    // Delete waits for the logger.
    await shim.task.delete({ id });
    checkFile(`${path}.out`).expect(out, "stdout");
    checkFile(`${path}.err`).expect(err, "stderr");
    await shim.task.shutdown({ id });
    for (const end of ["out", "err"]) rmSync(`${path}.${end}`);
  } else {
    const exit = daemon.event("/tasks/exit", (event) => event.containerId === id).then(() => checkFile(`${path}.out`));
    await runToEnd({ stdout: `file://${path}.out` });
    (await exit).expect(out, "stdout");
    await finish();
  }
}

async function openFilling(): Promise<Daemon> {
  const daemon = await openDaemon();
  const program = join(daemon.top, "rootfs/bin/fill");
  execFileSync("gcc", ["-O2", "-static", "-o", program, join(import.meta.dirname, "fill.c")]);
  return daemon;
}

const sized = (sink: Run["sink"], bytes: number, piece: number): Run => ({
  sink,
  out: bytes,
  // Both outputs of a file go to one place: there only one can be checked for order. A terminal has no stderr.
  err: sink === "fifo" || sink === "binary" ? bytes + 1 : 0,
  piece,
});

describe("output", () => {
  for (const sink of sinks)
    it(`is complete and in order: ${sink}`, async () => {
      await using daemon = await openFilling();
      let count = 0;
      for (const [bytes, piece] of [
        [2 ** 20 - 1, 4096],
        [2 ** 20 + 1, 100],
        [2 ** 22, 1 << 16],
        [2 ** 24 + 1, 777],
        [2 ** 27 - 1, 1 << 16],
      ] as const)
        if (!sink.startsWith("terminal") || bytes <= 2 ** 24 + 1)
          await perform(daemon, `c${count++}`, sized(sink, bytes, piece));
    });

  it("waits for a reader that has left, and the next one goes on at the same byte", async () => {
    await using daemon = await openFilling();
    const bytes = 2 ** 23 + 1;
    const shim = await daemon.start("away", { args: ["fill", `${bytes}`, "0", "1000"] });
    const stdout = daemon.fifo("away.out");
    await shim.create({ stdout });
    await shim.task.start({ id: "away" });
    const parts: string[] = [];
    for (const [index, count] of [1, 999_999, 1_234_567].entries()) {
      parts.push(`${daemon.top}/part${index}`);
      await run("sh", ["-c", `head -c ${count} < ${stdout} > ${parts[index]}`]);
    }
    assert.equal((await shim.task.state({ id: "away" })).status, Status.RUNNING, "it waits to write the rest");
    parts.push(`${daemon.top}/rest`);
    await run("sh", ["-c", `cat < ${stdout} > ${parts.at(-1)}`]);
    assert.equal((await shim.task.wait({ id: "away" })).exitStatus, 0);
    const checker = new Checker();
    for (const part of parts) checker.add(readFileSync(part));
    checker.expect(bytes, "all readers together");
    await shim.task.delete({ id: "away" });
    await shim.task.shutdown({ id: "away" });
  });

  it("is complete and in order, 1,000 times", { skip: !process.env.BERTH_LONG }, async () => {
    // Of 1,000 containers, so many with 2^20, 2^21 … 2^27 bytes, each one more or less.
    const shares = [300, 200, 150, 120, 90, 70, 45, 25];
    const pieces = [100, 777, 4096, 1 << 16];
    const done: Record<string, number> = {};
    await using daemon = await openFilling();
    let count = 0;
    for (const [index, share] of shares.entries())
      for (let n = 0; n < share; n++, count++) {
        const sink = sinks[count % sinks.length] as Run["sink"];
        const bytes = 2 ** (20 + index) + (n % 3) - 1;
        const piece = index < 4 ? pieces[n % pieces.length] : 1 << 16;
        await perform(daemon, `l${count}`, sized(sink, bytes, piece as number));
        done[`2^${20 + index}, ${sink}`] = (done[`2^${20 + index}, ${sink}`] ?? 0) + 1;
      }
    assert.equal(count, 1000);
    console.log(done);
  });
});
