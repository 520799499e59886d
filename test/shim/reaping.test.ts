// Nothing that a container leaves behind becomes a zombie under its shim.
import assert from "node:assert/strict";
import { constants, openSync, readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { alive, openDaemon, reader, until } from "./harness.ts";

const ORPHANS = process.env.BERTH_LONG ? 10_000 : 500;

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);

const privateKb = (pid: number): number =>
  [...readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").matchAll(/^Private_\w+:\s+(\d+)/gm)].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );

describe("a shim", () => {
  it(`reaps ${ORPHANS} orphans of a container that shares the host's pids`, async () => {
    await using daemon = await openDaemon();
    // Each `( … & )` ends at once and leaves its child to the shim: the nearest subreaper.
    const script = `i=0; while [ $i -lt ${ORPHANS} ]; do (true &); i=$((i+1)); done; echo made; read line`;
    const shim = await daemon.start("r", { args: ["sh", "-c", script], privatePids: false });
    const [stdin, stdout] = [daemon.fifo("in"), daemon.fifo("out")];
    const out = reader(stdout);
    const init = await shim.create({ stdin, stdout });
    const before = privateKb(shim.pid);
    await shim.task.start({ id: "r" });
    await until(() => out.text() === "made\n");
    await until(() => childrenOf(shim.pid).length === 1);
    assert.deepEqual(childrenOf(shim.pid), [init]);
    const grown = privateKb(shim.pid) - before;
    assert.ok(grown < 2048, `${ORPHANS} exits of processes that it does not know took ${grown} kB`);
    const input = openSync(stdin, constants.O_WRONLY);
    writeSync(input, "end\n");
    assert.equal((await shim.task.wait({ id: "r" })).exitStatus, 0);
    await shim.task.delete({ id: "r" });
    await shim.task.shutdown({ id: "r" });
  });

  for (const privatePids of [true, false])
    it(`has no children left when an init with ${privatePids ? "pids of its own" : "the host's pids"} leaves some`, async () => {
      await using daemon = await openDaemon();
      const script = "for i in 1 2 3 4 5; do (sleep 1000 &); sleep 1000 & done; echo made; read line";
      const shim = await daemon.start("z", { args: ["sh", "-c", script], privatePids });
      const [stdin, stdout] = [daemon.fifo("in"), daemon.fifo("out")];
      const out = reader(stdout);
      const init = await shim.create({ stdin, stdout });
      await shim.task.start({ id: "z" });
      await until(() => out.text() === "made\n");
      const { processes } = await shim.task.pids({ id: "z" });
      const pids = processes.map(({ pid }) => pid);
      assert.equal(pids.length, 11);
      assert.ok(pids.includes(init));
      await shim.task.kill({ id: "z", signal: 9 });
      assert.equal((await shim.task.wait({ id: "z" })).exitStatus, 137);
      await until(() => childrenOf(shim.pid).length === 0);
      assert.deepEqual(pids.filter(alive), []);
      // The number may be another process's by now.
      await assert.rejects(shim.task.kill({ id: "z", signal: 9 }), /process already finished/);
      await shim.task.delete({ id: "z" });
      await shim.task.shutdown({ id: "z" });
    });
});
