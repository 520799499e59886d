import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { logLabels, logLimits } from "../src/logs/log-limits.ts";
import { parsePosition } from "../src/logs/log-position.ts";
import { type LogChunk, type ReadLog, readLog } from "../src/logs/read-log.ts";
import { LogWriter, record } from "./log-writer.ts";

let top: string;
let place: { directory: string; bare: string };
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "berth-logs-"));
  place = { directory: join(top, "web"), bare: join(top, "web.log") };
});
afterEach(() => rmSync(top, { recursive: true }));

async function chunks(options: Partial<ReadLog> = {}): Promise<LogChunk[]> {
  return await Array.fromAsync(readLog(place, { after: null, tail: 0, ...options }));
}

const text = (pieces: readonly LogChunk[], stream?: LogChunk["stream"]): string =>
  pieces
    .filter((piece) => stream === undefined || piece.stream === stream)
    .map((piece) => Buffer.from(piece.data).toString())
    .join("");

/** `lines` numbered lines over three files, with stderr in between. */
function threeFiles(lines = 30): string {
  const writer = new LogWriter(place.directory);
  let all = "";
  for (let i = 1; i <= lines; i++) {
    if (i === lines / 3 || i === (2 * lines) / 3) writer.rotate();
    writer.say(`${i}\n`, i % 7 === 0 ? 2 : 1);
    all += `${i}\n`;
  }
  return all;
}

describe("a container's log", () => {
  it("is read across its files, with the streams apart and in order", async () => {
    const all = threeFiles();
    const read = await chunks();
    assert.equal(text(read), all);
    assert.equal(text(read, "stderr"), "7\n14\n21\n28\n");
  });

  it("is empty before anything was written, and after its first head failed", async () => {
    new LogWriter(place.directory);
    assert.deepEqual(await chunks(), []);
    writeFileSync(join(place.directory, "log"), "");
    assert.deepEqual(await chunks(), []);
  });

  for (const lines of [1, 2, 9, 10, 11, 20, 21, 29, 30, 31, 1000])
    it(`counts its last ${lines} lines across files`, async () => {
      const all = threeFiles().trimEnd().split("\n");
      assert.equal(text(await chunks({ tail: lines })), `${all.slice(-lines).join("\n")}\n`);
    });

  it("counts lines inside of one record, and one line over many records", async () => {
    const writer = new LogWriter(place.directory);
    writer.say("a\nb\nc\nd");
    writer.say("e");
    writer.rotate();
    writer.say("f\n\ng");
    assert.equal(text(await chunks({ tail: 1 })), "g");
    assert.equal(text(await chunks({ tail: 2 })), "\ng");
    assert.equal(text(await chunks({ tail: 3 })), "def\n\ng");
    assert.equal(text(await chunks({ tail: 4 })), "c\ndef\n\ng");
    assert.equal(text(await chunks({ tail: 7 })), "a\nb\nc\ndef\n\ng");
  });

  it("counts lines over blocks, and over records of the longest kind", async () => {
    const writer = new LogWriter(place.directory);
    const long = "x".repeat(65_000);
    for (let i = 0; i < 8; i++) writer.say(`${i}${long}\n`);
    for (let i = 0; i < 20_000; i++) writer.say(`${i}\n`);
    const read = text(await chunks({ tail: 20_003 }));
    assert.equal(read, `5${long}\n6${long}\n7${long}\n${Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join("")}`);
  });

  it("goes on behind any position that it has told, whatever was rotated meanwhile", async () => {
    const writer = new LogWriter(place.directory, 9);
    for (let i = 0; i < 6; i++) {
      writer.say(`${i}\n`, i % 2 === 0 ? 1 : 2);
      if (i % 3 === 2) writer.rotate();
    }
    const read = await chunks();
    assert.equal(read.length, 6);
    writer.rotate();
    writer.say("last\n");
    for (const [i, { position }] of read.entries())
      assert.equal(
        text(await chunks({ after: parsePosition(position) })),
        `${text(read.slice(i + 1))}last\n`,
        `behind ${position}`,
      );
  });

  it("says where files were rotated away between two readings", async () => {
    const writer = new LogWriter(place.directory, 2);
    writer.say("one\n");
    const { position } = (await chunks())[0] as LogChunk;
    for (const word of ["two", "three", "four"]) {
      writer.rotate();
      writer.say(`${word}\n`);
    }
    const read = await chunks({ after: parsePosition(position) });
    assert.match(text(read, "berth"), /^berth: older output was rotated away before it was read here\n$/);
    assert.equal(text(read, "stdout"), "three\nfour\n");
  });

  it("is followed across rotations without loss or repetition", async () => {
    const writer = new LogWriter(place.directory, 4);
    let written = "";
    let turn = 0;
    // Each time the reader has everything, more is written, with none to three rotations in between.
    const follow = {
      async next() {
        turn++;
        for (let i = 0; i < 6; i++) {
          if (i < turn % 4) writer.rotate();
          writer.say(`${turn}.${i}\n`, i % 2 === 0 ? 1 : 2);
          written += `${turn}.${i}\n`;
        }
        return turn === 40;
      },
    };
    assert.equal(text(await chunks({ follow })), written);
  });

  it("is followed while a rotation is under way: with no current file, and with an empty one", async () => {
    const writer = new LogWriter(place.directory);
    writer.say("one\n");
    const steps = [
      () => writer.makeRoom(),
      () => writeFileSync(writer.path, ""),
      () => {
        writer.begin();
        writer.say("two\n");
      },
      () => {},
    ];
    const follow = {
      async next() {
        steps.shift()?.();
        return steps.length === 0;
      },
    };
    assert.equal(text(await chunks({ follow })), "one\ntwo\n");
  });

  it("waits for the rest of a record that is being written", async () => {
    const writer = new LogWriter(place.directory);
    const whole = record(2, "late\n");
    writer.bytes(whole.subarray(0, 9));
    let turn = 0;
    const follow = {
      async next() {
        if (++turn === 1) writer.bytes(whole.subarray(9, 20));
        if (turn === 2) writer.bytes(whole.subarray(20));
        return turn === 3;
      },
    };
    const read = await chunks({ follow });
    assert.equal(text(read, "stderr"), "late\n");
    assert.equal(read.length, 1);
  });

  for (const [kind, torn] of [
    ["cut off", record(1, "torn\n").subarray(0, 15)],
    ["full of zeros", Buffer.alloc(300)],
    ["with another length behind it", Buffer.concat([record(1, "torn\n").subarray(0, 17), Buffer.alloc(4)])],
  ] as const)
    it(`goes on in the next file where the end of one is ${kind}, and says so`, async () => {
      const writer = new LogWriter(place.directory);
      writer.say("a\nb\n");
      writer.bytes(torn);
      writer.rotate();
      writer.say("c\n");
      const read = await chunks();
      assert.equal(text(read, "stdout"), "a\nb\nc\n");
      assert.match(text(read, "berth"), new RegExp(`^berth: ${torn.length} bytes of the log cannot be read here\n$`));
      assert.equal(text(await chunks({ tail: 2 }), "stdout"), "b\nc\n");
    });

  it("begins with what was written before logs had records", async () => {
    writeFileSync(place.bare, "old one\nold two\n");
    assert.equal(text(await chunks()), "old one\nold two\n");
    assert.equal(text(await chunks({ tail: 1 })), "old two\n");
    new LogWriter(place.directory).say("new\n");
    assert.equal(text(await chunks()), "old one\nold two\nnew\n");
    assert.equal(text(await chunks({ tail: 2 })), "old two\nnew\n");
  });

  it("ends where it ended when reading began, however fast it grows", async () => {
    const writer = new LogWriter(place.directory, 5);
    writer.say("one\n");
    writer.rotate();
    writer.say("two\n");
    const reading = readLog(place, { after: null, tail: 0 });
    let read = Buffer.from((await reading.next()).value?.data ?? []).toString();
    for await (const { data } of reading) {
      read += Buffer.from(data).toString();
      writer.say("more\n");
      writer.rotate();
    }
    assert.equal(read, "one\ntwo\n");
  });
});

describe("the limits of a log", () => {
  it("are 10 MiB and three files unless labels say otherwise", () => {
    assert.deepEqual(logLimits({}), { maxBytes: 10 << 20, maxFiles: 3 });
    assert.deepEqual(logLimits(logLabels({ "max-size": "65536", "max-file": "1" })), { maxBytes: 65536, maxFiles: 1 });
    assert.equal(logLimits(logLabels({ "max-size": "0" })).maxBytes, 0);
  });
  for (const [options, sentence] of [
    [{ "max-sizes": "1" }, /"max-sizes" is unknown: there are max-size and max-file/],
    [{ "max-size": "-1" }, /max-size "-1" is too small: 4096 bytes at least/],
    [{ "max-size": "10m" }, /max-size "10m"/],
    [{ "max-size": "4095" }, /max-size "4095"/],
    [{ "max-file": "0" }, /max-file "0" is not a number from 1 to 1000/],
    [{ "max-file": "1001" }, /max-file/],
    [{ "max-file": "" }, /max-file/],
  ] as const)
    it(`refuse ${JSON.stringify(options)}`, () => {
      assert.throws(() => logLimits(logLabels(options as unknown as Record<string, string>)), sentence);
    });
});
