import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  type Fd,
  mkfifo,
  monotonic,
  O,
  open,
  openPty,
  Pump,
  pipe,
  read,
  run,
  setTerminalSize,
  spawn,
  stat,
  terminalSize,
  watch,
  write,
} from "@berth/host";
import { temporary } from "./temporary.ts";
import { itLeavesNothing } from "./without-leak.ts";

const MIB = 1 << 20;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? new Uint8Array(0));
/** Writes a known pattern of so many bytes; its checksum can be computed by anyone who reads it. */
const produce = (bytes: number, stdout: Fd) =>
  spawn({ argv: ["sh", "-c", `yes 0123456789abcdef | head -c ${bytes}`], stdout });

/** Reads to the end, at most `rest` bytes a turn when slow. Counts, and checks the pattern. */
async function consume(from: Fd, slow = false): Promise<number> {
  const pattern = new TextEncoder().encode("0123456789abcdef\n");
  let total = 0;
  await new Promise<void>((resolve, reject) => {
    const watching = watch(from, { readable: true }, () => {
      const chunk = read(from, slow ? 9000 : 65536);
      if (chunk === null) return;
      if (chunk.length === 0) {
        watching.close();
        resolve();
        return;
      }
      if (chunk[0] !== pattern[total % 17]) {
        watching.close();
        reject(new Error(`wrong byte at ${total}`));
      }
      total += chunk.length;
      if (!slow) return;
      watching.update({});
      setTimeout(() => watching.update({ readable: true }), 0);
    });
  });
  return total;
}

describe("a pump", () => {
  itLeavesNothing("goes on by itself with what is left, once its sink takes bytes again", async () => {
    const { read: from, write: into } = pipe();
    const to = open("/dev/null", O.WRONLY);
    write(into, new Uint8Array(5000));
    into.close();
    let calls = 0;
    const waiting = Promise.withResolvers<void>();
    const [more, wait] = [0, 6];
    const pump = new Pump({
      from,
      to,
      sink: {
        move(_from, _to, _cap, result) {
          if (++calls === 1) waiting.resolve();
          const bytes = calls === 1 ? null : read(from, 1000);
          result.set([bytes?.length ?? 0, bytes === null ? wait : bytes.length === 0 ? 3 : more, 0, 0]);
          return null;
        },
        write: () => 0,
      },
    });
    await waiting.promise;
    pump.hurry();
    assert.equal(await pump.ended, "end");
    assert.equal(pump.moved, 5000);
    from.close();
    to.close();
  });

  for (const [total, slow] of [
    [1 * MIB, true],
    [16 * MIB, false],
  ] as const) {
    itLeavesNothing(`moves ${total / MIB} MiB from pipe to pipe${slow ? " to a slow reader" : ""}`, async () => {
      const source = pipe();
      const target = pipe({ nonblock: true });
      const child = produce(total, source.write);
      source.write.close();
      using pump = new Pump({ from: source.read, to: target.write });
      void pump.ended.then(() => target.write.close());
      const seen = await consume(target.read, slow);
      assert.deepEqual([seen, pump.moved, await pump.ended], [total, total, "end"]);
      await child.exited;
      source.read.close();
      target.read.close();
    });
  }

  itLeavesNothing("moves 64 MiB into a file", async () => {
    using folder = temporary();
    const source = pipe();
    using file = open(`${folder.path}/out`, O.WRONLY | O.CREAT);
    const child = produce(64 * MIB, source.write);
    source.write.close();
    using pump = new Pump({ from: source.read, to: file });
    assert.equal(await pump.ended, "end");
    assert.equal(stat(`${folder.path}/out`)?.size, 64 * MIB);
    assert.equal(pump.moved, 64 * MIB);
    await child.exited;
    source.read.close();
  });

  itLeavesNothing("appends to a file, which splice refuses", async () => {
    using folder = temporary();
    using file = open(`${folder.path}/out`, O.WRONLY | O.CREAT | O.APPEND);
    write(file, new Uint8Array(5));
    const source = pipe();
    const child = produce(2 * MIB, source.write);
    source.write.close();
    using pump = new Pump({ from: source.read, to: file });
    assert.equal(await pump.ended, "end");
    assert.equal(stat(`${folder.path}/out`)?.size, 2 * MIB + 5);
    await child.exited;
    source.read.close();
  });

  itLeavesNothing("moves a file into a pipe to a slow reader without spinning", async () => {
    using folder = temporary();
    await run({ argv: ["sh", "-c", `yes 0123456789abcdef | head -c 1000000 > ${folder.path}/in`] });
    using file = open(`${folder.path}/in`, O.RDONLY);
    const target = pipe({ nonblock: true });
    using pump = new Pump({ from: file, to: target.write });
    while (pump.waiting() === 0) await pause(1);
    void pump.ended.then(() => target.write.close());
    assert.equal(await consume(target.read, true), 1_000_000);
    assert.equal(await pump.ended, "end");
    target.read.close();
  });

  itLeavesNothing("does not take a FIFO that nobody writes to yet for its end", async () => {
    using folder = temporary();
    mkfifo(`${folder.path}/fifo`, 0o600);
    using from = open(`${folder.path}/fifo`, O.RDONLY | O.NONBLOCK);
    const target = pipe({ nonblock: true });
    using pump = new Pump({ from, to: target.write });
    let ended = false;
    void pump.ended.then(() => {
      ended = true;
    });
    await pause(10);
    assert.ok(!ended);
    const writer = open(`${folder.path}/fifo`, O.WRONLY | O.NONBLOCK);
    write(writer, new TextEncoder().encode("late"));
    writer.close();
    assert.equal(await pump.ended, "end");
    assert.equal(text(read(target.read, 10)), "late");
    target.read.close();
    target.write.close();
  });

  itLeavesNothing("reads a terminal until its last user has gone", async () => {
    const { master, slave } = openPty();
    setTerminalSize(master, 120, 33);
    assert.deepEqual(terminalSize(slave), { width: 120, height: 33 });
    const target = pipe({ nonblock: true });
    const child = spawn({
      argv: ["sh", "-c", "stty -opost; yes 0123456789abcdef | head -c 1048576"],
      stdin: slave,
      stdout: slave,
    });
    slave.close();
    using pump = new Pump({ from: master, to: target.write });
    void pump.ended.then(() => target.write.close());
    assert.equal(await consume(target.read), MIB);
    assert.equal(await pump.ended, "end");
    await child.exited;
    master.close();
    target.read.close();
  });

  itLeavesNothing("reads and writes one terminal at the same time", async () => {
    const { master, slave } = openPty();
    const input = pipe();
    const output = pipe({ nonblock: true });
    const child = spawn({
      argv: ["sh", "-c", "stty -echo; echo ready; read line; echo got $line"],
      stdin: slave,
      stdout: slave,
    });
    slave.close();
    using out = new Pump({ from: master, to: output.write });
    using into = new Pump({ from: input.read, to: master });
    while (out.moved === 0) await pause(1);
    write(input.write, new TextEncoder().encode("hello\n"));
    assert.equal(await out.ended, "end");
    assert.match(text(read(output.read, 100)), /got hello/);
    into.close();
    assert.equal(await into.ended, "closed");
    await child.exited;
    for (const fd of [master, input.read, input.write, output.read, output.write]) fd.close();
  });

  itLeavesNothing("keeps everything while the target is full, and uses no processor", async () => {
    const source = pipe();
    const target = pipe({ nonblock: true });
    const child = spawn({ argv: ["sh", "-c", "yes 0123456789abcdef | head -c 400000"], stdout: source.write });
    source.write.close();
    using pump = new Pump({ from: source.read, to: target.write });
    while (pump.moved < 65_536) await pause(1); // what the target takes
    const started = cpuTicks();
    await pause(150);
    assert.ok(cpuTicks() - started <= 2, "the pump spins while its target is full");
    void pump.ended.then(() => target.write.close());
    assert.equal(await consume(target.read), 400_000);
    await child.exited;
    source.read.close();
    target.read.close();
  });

  for (const verdict of ["stop", "drop"] as const) {
    itLeavesNothing(`tells that nobody reads, and can ${verdict}`, async () => {
      const source = pipe();
      const target = pipe();
      target.read.close();
      const errors: string[] = [];
      const child = produce(300_000, source.write);
      source.write.close();
      using pump = new Pump({
        from: source.read,
        to: target.write,
        onError: (error) => {
          errors.push(error.code);
          return verdict;
        },
      });
      const reason = await pump.ended;
      assert.equal(errors[0], "EPIPE");
      if (verdict === "stop") {
        assert.deepEqual([reason, pump.moved, errors.length], ["error", 0, 1]);
        assert.ok(pump.lost <= 65_536, "no more than what was read when it was told");
      }
      if (verdict === "drop") assert.deepEqual([reason, pump.lost + pump.moved], ["end", 300_000]);
      source.read.close();
      target.write.close();
      await child.exited;
    });
  }

  itLeavesNothing("tries again after a second when told to", async () => {
    using folder = temporary();
    mkfifo(`${folder.path}/fifo`, 0o600);
    const reader = open(`${folder.path}/fifo`, O.RDONLY | O.NONBLOCK);
    using to = open(`${folder.path}/fifo`, O.WRONLY | O.NONBLOCK);
    reader.close();
    const source = pipe();
    write(source.write, new TextEncoder().encode("kept"));
    source.write.close();
    const started = monotonic();
    let again: Fd | null = null;
    using pump = new Pump({
      from: source.read,
      to,
      onError: () => {
        again = open(`${folder.path}/fifo`, O.RDONLY | O.NONBLOCK);
        return "retry";
      },
    });
    assert.equal(await pump.ended, "end");
    assert.ok(monotonic() - started >= 900);
    const reopened = again as Fd | null;
    assert.ok(reopened !== null);
    assert.equal(text(read(reopened, 10)), "kept");
    reopened.close();
    source.read.close();
  });
});

/** User and system time of this process, in clock ticks (10 ms). */
function cpuTicks(): number {
  using fd = open("/proc/self/stat", O.RDONLY);
  const fields = text(read(fd, 4096)).split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
