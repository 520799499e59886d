// What a shim keeps after a long life: nothing. Counts are lower in the normal tier.
import assert from "node:assert/strict";
import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { connect } from "node:net";
import { it } from "node:test";
import { Kind, message, service } from "@berth/proto";
import { Empty } from "@berth/proto/google/protobuf";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { fakeRuntime } from "../fuzz/live-shim.ts";
import { openDaemon, type Shim, until } from "./harness.ts";

const execs = process.env.BERTH_LONG ? 1000 : 150;
const refusals = process.env.BERTH_LONG ? 100_000 : 15_000;
const lines = process.env.BERTH_LONG ? 100_000 : 20_000;
/** Pages that come and go with the moment of the look. */
const NOISE_KIB = 100;
const RSS_KIB = 2.8 * 1024;
const USS_KIB = 1.2 * 1024;

interface Figures {
  readonly rss: number;
  readonly uss: number;
}

function memoryOf({ pid }: Shim): Figures {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  return { rss: of("Rss"), uss: of("Private_Clean") + of("Private_Dirty") };
}

/** Takes what lies in a FIFO. */
function drained(fd: number): number {
  const buffer = Buffer.alloc(1 << 20);
  for (let total = 0; ; ) {
    try {
      total += readSync(fd, buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      return total;
    }
  }
}

it(`${execs} execs and ${lines} lines leave a shim as large as it was`, async (test) => {
  await using daemon = await openDaemon();
  const start = async (id: string, runtime: string) => {
    const shim = await daemon.start(id, { args: ["sh", "-c", "while read n; do seq $n; done"] }, { runtime });
    const [stdin, stdout] = [daemon.fifo(`${id}.in`), daemon.fifo(`${id}.out`)];
    const [input, output] = [
      openSync(stdin, constants.O_RDWR),
      openSync(stdout, constants.O_RDWR | constants.O_NONBLOCK),
    ];
    await shim.create({ stdin, stdout });
    await shim.task.start({ id });
    return { shim, input, output, stdout };
  };
  // Others of its kind share the pages of the program.
  const others = [await start("other1", fakeRuntime), await start("other2", fakeRuntime)];
  const { shim, output, input, stdout } = await start("c", fakeRuntime);
  const run = async (count: number, prefix: string) => {
    for (let i = 0; i < count; i++) {
      const execId = `${prefix}${i}`;
      await shim.exec(execId, ["true"], { stdout });
      assert.equal((await shim.task.wait({ id: "c", execId })).exitStatus, 3);
      await shim.task.delete({ id: "c", execId });
      drained(output);
    }
    await shim.task.stats({ id: "c" });
  };
  await run(30, "warm");
  const before = memoryOf(shim);
  await run(execs, "e");
  await until(() => daemon.events.length >= (execs + 30) * 3);
  // They come faster than garbage is collected.
  await until(() => memoryOf(shim).uss <= before.uss + NOISE_KIB);
  const after = memoryOf(shim);
  for (let i = 0; i < execs; i++) {
    const execId = `fail-${i}`;
    await assert.rejects(shim.exec(execId, ["true"], { stdout }), /as was asked for/);
    await shim.task.delete({ id: "c", execId });
  }
  await until(() => memoryOf(shim).uss <= before.uss + NOISE_KIB);

  // The lines need a container that writes: one of a real runtime.
  const real = await start("real", "");
  const write = (count: number) => {
    const { writeSync } = process.getBuiltinModule("node:fs");
    writeSync(real.input, `${count}\n`);
  };
  const bytes = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join("").length;
  const flow = async (count: number) => {
    let seen = 0;
    write(count);
    await until(() => {
      seen += drained(real.output);
      return seen >= bytes(count);
    });
  };
  await flow(5000);
  const quiet = memoryOf(real.shim);
  await flow(lines);
  const written = memoryOf(real.shim);

  const show = ({ rss, uss }: Figures) => `${(rss / 1024).toFixed(2)} MB, private ${(uss / 1024).toFixed(2)} MB`;
  test.diagnostic(`after 30 execs ${show(before)}; after ${execs} more ${show(after)}`);
  test.diagnostic(`after 5000 lines ${show(quiet)}; after ${lines} more ${show(written)}`);
  for (const each of [...others, real]) for (const fd of [each.input, each.output]) closeSync(fd);
  for (const fd of [input, output]) closeSync(fd);
  assert.ok(written.uss <= quiet.uss + NOISE_KIB, `lines: ${show(quiet)}, then ${show(written)}`);
  for (const { rss, uss } of [after, written]) {
    assert.ok(rss <= RSS_KIB, `${rss} KiB resident`);
    assert.ok(uss <= USS_KIB, `${uss} KiB private`);
  }
});

/** A request whose first field is a number where the shim's has a text. */
const wrong = message<{ id: number }>("test.Wrong", ["id", 1, Kind.int32, null]);
const call = { kind: "unary", name: "State", input: wrong, output: Empty } as const;
const wrongTask = service("containerd.task.v2.Task", { call });

it(`${refusals} refused requests leave a shim as large as it was`, async (test) => {
  await using daemon = await openDaemon();
  const shim = await daemon.start("c", { args: ["true"] });
  const socket = connect(shim.address.slice("unix://".length));
  const client = createClient(nodeByteStream(socket)).service(wrongTask);
  const refuse = async (count: number) => {
    for (let left = count; left > 0; left -= 20)
      await Promise.all(Array.from({ length: 20 }, () => assert.rejects(client.call({ id: 7 }), /wire type/)));
  };
  await refuse(2000);
  const before = memoryOf(shim);
  await refuse(refusals);
  const after = memoryOf(shim);
  socket.destroy();
  await shim.task.shutdown({ id: "c" });
  test.diagnostic(`after 2000 ${before.uss} KiB private, after ${refusals} more ${after.uss}`);
  assert.ok(after.uss <= before.uss + NOISE_KIB, `${before.uss} KiB, then ${after.uss}`);
});
