import assert from "node:assert/strict";
import { chmodSync, closeSync, constants, existsSync, openSync, writeFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { openDaemon, reader, type Shim, textOf, until } from "./harness.ts";

async function runToEnd(shim: Shim, request: Parameters<Shim["create"]>[0]): Promise<number> {
  await shim.create(request);
  await shim.task.start({ id: shim.id });
  const { exitStatus } = await shim.task.wait({ id: shim.id });
  return exitStatus;
}

async function finish(shim: Shim): Promise<void> {
  await shim.task.delete({ id: shim.id });
  await shim.task.shutdown({ id: shim.id });
}

describe("stdio of a container", () => {
  it("brings everything to a file before the exit is told, both outputs to one", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("f", { args: ["sh", "-c", "seq 1 20000; echo err >&2"] });
    const log = `${daemon.top}/deep/er/out.log`;
    assert.equal(await runToEnd(shim, { stdout: `file://${log}`, stderr: `file://${log}` }), 0);
    const lines = textOf(log).trim().split("\n");
    assert.equal(lines.length, 20_001);
    assert.equal(lines.filter((line) => line === "err").length, 1);
    await finish(shim);
  });

  it("appends to a plain file", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("p", { args: ["echo", "new"] });
    const log = `${daemon.top}/plain.log`;
    writeFileSync(log, "old\n");
    assert.equal(await runToEnd(shim, { stdout: log }), 0);
    assert.equal(textOf(log), "old\nnew\n");
    await finish(shim);
  });

  it("writes to a FIFO that was called a file, and opens it without waiting for a reader", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("n", { args: ["sh", "-c", "echo out; exec sleep 100"] });
    const path = daemon.fifo("out");
    await shim.create({ stdout: `file://${path}`, stderr: `file://${path}` });
    await shim.task.start({ id: "n" });
    const late = reader(path);
    await until(() => late.text() === "out\n");
    await shim.task.kill({ id: "n", signal: 9 });
    await shim.task.wait({ id: "n" });
    await finish(shim);
    await until(() => late.ended());
  });

  it("keeps a FIFO open while its reader is away", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("w", { args: ["sh", "-c", "echo one; cat; echo two"] });
    const [stdin, stdout] = [daemon.fifo("in"), daemon.fifo("out")];
    const first = reader(stdout);
    await shim.create({ stdin, stdout });
    await shim.task.start({ id: "w" });
    await until(() => first.text() === "one\n");
    first.close();
    const input = openSync(stdin, constants.O_WRONLY);
    writeSync(input, "through\n");
    closeSync(input);
    // Others may write: no end of input until the daemon says so.
    const again = openSync(stdin, constants.O_WRONLY);
    writeSync(again, "again\n");
    closeSync(again);
    const second = reader(stdout);
    await until(() => second.text() === "through\nagain\n");
    await shim.task.closeIO({ id: "w", stdin: true });
    assert.equal((await shim.task.wait({ id: "w" })).exitStatus, 0);
    await until(() => second.text() === "through\nagain\ntwo\n" && second.ended());
    await finish(shim);
  });

  it("gives a logger both outputs, and knows when it is ready", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("b", { args: ["sh", "-c", "echo out; echo err >&2"] });
    const logger = `${daemon.top}/logger`;
    const seen = `${daemon.top}/seen`;
    writeFileSync(
      logger,
      `#!/bin/sh\necho "$CONTAINER_ID $CONTAINER_NAMESPACE $*" > ${seen}\nexec 5>&-\ncat <&3 >> ${seen}\ncat <&4 >> ${seen}\n`,
    );
    chmodSync(logger, 0o755);
    assert.equal(await runToEnd(shim, { stdout: `binary://${logger}?a=b` }), 0);
    await finish(shim);
    assert.equal(textOf(seen), `b ${daemon.namespace} a b\nout\nerr\n`);
  });

  it("names a logger that does not exist", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("q", { args: ["true"] });
    await assert.rejects(shim.create({ stdout: "binary:///nonsense" }), /\/nonsense/);
    await shim.task.shutdown({ id: "q" });
  });

  it("is a terminal that can be resized", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("t", {
      args: ["sh", "-c", "stty size; read line; stty size; echo got $line"],
      terminal: true,
    });
    const [stdin, stdout] = [daemon.fifo("tin"), daemon.fifo("tout")];
    const out = reader(stdout);
    await shim.create({ stdin, stdout, terminal: true });
    await shim.task.resizePty({ id: "t", width: 80, height: 24 });
    await shim.task.start({ id: "t" });
    await until(() => out.text().startsWith("24 80\r\n"));
    await shim.task.resizePty({ id: "t", width: 132, height: 50 });
    const input = openSync(stdin, constants.O_WRONLY);
    writeSync(input, "it\n");
    assert.equal((await shim.task.wait({ id: "t" })).exitStatus, 0);
    closeSync(input);
    await until(() => out.ended());
    assert.match(out.text(), /50 132\r\ngot it\r\n/);
    const { terminal } = await shim.task.state({ id: "t" });
    assert.equal(terminal, true);
    await finish(shim);
  });

  it("of an exec may be a terminal too", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("e", { args: ["sleep", "100"] });
    await shim.create();
    await shim.task.start({ id: "e" });
    const stdout = daemon.fifo("eo");
    const out = reader(stdout);
    await shim.exec("x", ["sh", "-c", "test -t 1 && echo tty"], { terminal: true, stdout });
    assert.equal((await shim.task.wait({ id: "e", execId: "x" })).exitStatus, 0);
    await until(() => out.text() === "tty\r\n");
    await assert.rejects(
      shim.task.resizePty({ id: "e", execId: "x", width: 1, height: 1 }),
      /cannot resize a stopped container/,
    );
    await shim.task.kill({ id: "e", signal: 9 });
    await shim.task.wait({ id: "e" });
    await finish(shim);
  });

  it("does not hold an exit back when a grandchild keeps the pipe open", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("g", { args: ["sleep", "100"] });
    await shim.create();
    await shim.task.start({ id: "g" });
    const stdout = daemon.fifo("go");
    const out = reader(stdout);
    await shim.exec("x", ["sh", "-c", "echo hello; sleep 50 & exit 4"], { stdout });
    assert.equal((await shim.task.wait({ id: "g", execId: "x" })).exitStatus, 4);
    await until(() => out.text() === "hello\n");
    assert.ok(!out.ended(), "the grandchild still has it");
    await shim.task.delete({ id: "g", execId: "x" });
    await shim.task.kill({ id: "g", signal: 9 });
    await shim.task.wait({ id: "g" });
    await finish(shim);
    assert.ok(!existsSync(`${daemon.top}/s/pty`));
  });
});
