import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, constants, createWriteStream, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { type Daemon, openDaemon, reader, type Shim, textOf, until } from "./harness.ts";

async function start(daemon: Daemon, args: readonly string[]): Promise<{ shim: Shim; stdin: string; out: string }> {
  const shim = await daemon.start("i", { args });
  const [stdin, out] = [daemon.fifo("in"), `${daemon.top}/out`];
  await shim.create({ stdin, stdout: `file://${out}` });
  await shim.task.start({ id: "i" });
  return { shim, stdin, out };
}

async function finish(shim: Shim): Promise<void> {
  assert.equal((await shim.task.wait({ id: "i" })).exitStatus, 0);
  await shim.task.delete({ id: "i" });
  await shim.task.shutdown({ id: "i" });
}

describe("stdin of a container", { timeout: 60_000 }, () => {
  it("is whole when much of it meets a slow reader, and the shim waits without working", async () => {
    await using daemon = await openDaemon();
    const script = "sleep 1; for i in 1 2 3 4 5; do dd bs=4096 count=1 2>/dev/null; sleep 0.1; done; cat";
    const { shim, stdin, out } = await start(daemon, ["sh", "-c", script]);
    const text = Array.from({ length: 1 << 20 }, (_, n) => `${n}`.padStart(15, "0")).join("\n");
    const writer = createWriteStream(stdin, { flags: constants.O_WRONLY as never });
    writer.end(text);
    const ticks = () => textOf(`/proc/${shim.pid}/stat`).split(") ")[1]?.split(" ").slice(11, 13).map(Number) ?? [];
    const [user = 0, system = 0] = ticks();
    await once(writer, "close");
    const [laterUser = 0, laterSystem = 0] = ticks();
    assert.ok(laterUser + laterSystem - user - system < 50, "half a second of work at most for 16 MiB");
    await shim.task.closeIO({ id: "i", stdin: true });
    await finish(shim);
    assert.ok(textOf(out) === text);
  });

  it("ends when the last client has closed its end, if CloseIO came before", async () => {
    await using daemon = await openDaemon();
    const { shim, stdin, out } = await start(daemon, ["cat"]);
    const [one, two] = [openSync(stdin, constants.O_WRONLY), openSync(stdin, constants.O_WRONLY)];
    await shim.task.closeIO({ id: "i", stdin: true });
    await shim.task.closeIO({ id: "i", stdin: true });
    writeSync(one, "one ");
    closeSync(one);
    await until(() => textOf(out) === "one ");
    writeSync(two, "two");
    closeSync(two);
    await finish(shim);
    assert.equal(textOf(out), "one two");
  });

  it("ends by CloseIO alone where nobody has ever written", async () => {
    await using daemon = await openDaemon();
    const { shim, out } = await start(daemon, ["sh", "-c", "cat; echo ended"]);
    await shim.task.closeIO({ id: "i", stdin: true });
    await finish(shim);
    assert.equal(textOf(out), "ended\n");
  });

  it("that the container has closed does not hold up its client or its end", async () => {
    await using daemon = await openDaemon();
    const { shim, stdin, out } = await start(daemon, ["sh", "-c", "exec 0<&-; sleep 1; echo done"]);
    const writer = createWriteStream(stdin, { flags: constants.O_WRONLY as never });
    const failed = once(writer, "error");
    writer.end(Buffer.alloc(4 << 20));
    const [error] = await failed;
    assert.equal(error.code, "EPIPE");
    await finish(shim);
    assert.equal(textOf(out), "done\n");
  });

  it("and the outputs belong to the group that was asked for", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("i", {
      args: ["ls", "-lnL", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"],
    });
    const [stdin, stdout, stderr] = [daemon.fifo("in"), daemon.fifo("out"), daemon.fifo("err")];
    const out = reader(stdout);
    const options = packAny(Options, { root: join(daemon.top, "runc"), ioUid: 1234, ioGid: 5678 });
    await shim.create({ stdin, stdout, stderr, options });
    await shim.task.start({ id: "i" });
    await finish(shim);
    await until(() => out.ended());
    const lines = out.text().trim().split("\n");
    assert.equal(lines.length, 3, out.text());
    // runc gives them to the process's user (fixStdioPermissions), and leaves the group.
    for (const line of lines) assert.match(line, /^p\S+\s+1\s+0\s+5678\s/);
  });
});
