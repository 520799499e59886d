// Programs that read a container's output themselves: `binary://` and `binary-v2://`.
import assert from "node:assert/strict";
import { chmodSync, closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { type Daemon, openDaemon, type Shim, textOf, until } from "./harness.ts";

function script(daemon: Daemon, name: string, body: string): string {
  const path = `${daemon.top}/${name}`;
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function finish(shim: Shim): Promise<void> {
  await shim.task.delete({ id: shim.id });
  await shim.task.shutdown({ id: shim.id });
}

describe("a logger", { concurrency: 4 }, () => {
  it("gets its arguments in pairs, two variables, and descriptors 3 to 5", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("a", { args: ["sh", "-c", "echo out; echo err >&2"] });
    const seen = `${daemon.top}/seen`;
    const logger = script(
      daemon,
      "logger",
      `exec > ${seen}
for word in "$@"; do echo "[$word]"; done
tr '\\0' '\\n' < /proc/$$/environ
ls /proc/$$/fd
exec 5>&-
cat <&3 > ${seen}.out & cat <&4 > ${seen}.err
wait`,
    );
    await shim.create({ stdout: `binary://${logger}?key=two+words&flag&path=%2Fvar` });
    await shim.task.start({ id: "a" });
    await shim.task.wait({ id: "a" });
    await finish(shim);
    const lines = textOf(seen).split("\n");
    assert.deepEqual(lines.slice(0, 6), ["[key]", "[two words]", "[flag]", "[]", "[path]", "[/var]"]);
    assert.deepEqual(lines.slice(6, 8).sort(), ["CONTAINER_ID=a", `CONTAINER_NAMESPACE=${daemon.namespace}`]);
    // The shell has its script open as 10.
    assert.match(lines.slice(8).join(" "), /^0 1 (10 )?2 3 4 5 $/);
    assert.deepEqual([textOf(`${seen}.out`), textOf(`${seen}.err`)], ["out\n", "err\n"]);
  });

  it("of a terminal gets what the terminal shows, and an end for stderr at once", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("t", { args: ["sh", "-c", "test -t 1 && echo tty; seq 1 2000"], terminal: true });
    const seen = `${daemon.top}/seen`;
    const logger = script(daemon, "logger", `echo >&5; cat <&4 > ${seen}.err; cat <&3 > ${seen}`);
    await shim.create({ stdout: `binary-v2://${logger}`, terminal: true });
    await shim.task.start({ id: "t" });
    await shim.task.wait({ id: "t" });
    await finish(shim);
    const lines = textOf(seen).split("\r\n");
    assert.deepEqual([lines[0], lines.length, lines.at(-2)], ["tty", 2002, "2000"]);
    assert.equal(textOf(`${seen}.err`), "");
  });

  for (const [what, scheme, body, expected] of [
    ["that fails at once", "binary", "exit 3", /logging binary "[^"]*" ended with status 3 before it was ready/],
    ["that fails before its byte", "binary-v2", "exit 0", /ended with status 0 before it was ready/],
    ["that closes 5 without a byte", "binary-v2", "exec 5>&-; sleep 60", /closed its descriptor 5 without writing/],
    ["that never gets ready", "binary", "exec sleep 60", /was not ready within 10 s/],
  ] as const)
    it(`${what} (${scheme}) is one clear error, and leaves nothing behind`, async () => {
      await using daemon = await openDaemon();
      const shim = await daemon.start("q", { args: ["true"] });
      const logger = script(daemon, "logger", body);
      await assert.rejects(shim.create({ stdout: `${scheme}://${logger}` }), expected);
      // The id is free again.
      await shim.create();
      await shim.task.start({ id: "q" });
      assert.equal((await shim.task.wait({ id: "q" })).exitStatus, 0);
      await finish(shim);
    });

  for (const terminal of [false, true])
    it(`that dies does not stop a container${terminal ? " with a terminal" : ""}`, async () => {
      await using daemon = await openDaemon();
      const shim = await daemon.start("d", {
        args: ["sh", "-c", `echo first; cat; yes | head -c ${terminal ? 1 << 18 : 1 << 22}`],
        terminal,
      });
      const seen = `${daemon.top}/seen`;
      const logger = script(daemon, "logger", `echo $$ > ${seen}.pid; echo >&5; exec head -c 6 <&3 > ${seen}`);
      const stdin = daemon.fifo("in");
      await shim.create({ stdin, stdout: `binary-v2://${logger}`, terminal });
      await shim.task.start({ id: "d" });
      const pid = Number(textOf(`${seen}.pid`));
      await until(() => !existsSync(`/proc/${pid}`));
      // Only now does the container write on, more than any pipe or terminal holds.
      const input = openSync(stdin, constants.O_WRONLY);
      if (terminal) writeSync(input, "\x04");
      await shim.task.closeIO({ id: "d", stdin: true });
      closeSync(input);
      assert.equal((await shim.task.wait({ id: "d" })).exitStatus, 0);
      assert.equal(textOf(seen).replace("\r", "").slice(0, 5), "first");
      await finish(shim);
    });

  it("is not robbed by the shim when it goes on in another process of its group", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("h", { args: ["sh", "-c", "read line; seq 1 200000"] });
    const [seen, stdin] = [`${daemon.top}/seen`, daemon.fifo("in")];
    const logger = script(
      daemon,
      "logger",
      `(sleep 0.2; echo >&5; sleep 1.5; cat <&3 > ${seen}; echo > ${seen}.end) &`,
    );
    await shim.create({ stdin, stdout: `binary://${logger}` });
    await shim.task.start({ id: "h" });
    const input = openSync(stdin, constants.O_WRONLY);
    writeSync(input, "go\n");
    assert.equal((await shim.task.wait({ id: "h" })).exitStatus, 0);
    await until(() => existsSync(`${seen}.end`));
    assert.equal(readFileSync(seen, "utf8").split("\n").length, 200_001);
    await finish(shim);
  });

  it("that will not end gets SIGTERM, and much later SIGKILL", async () => {
    await using daemon = await openDaemon();
    const [polite, deaf] = [await daemon.start("p", { args: ["true"] }), await daemon.start("s", { args: ["true"] })];
    const [told, heard] = [`${daemon.top}/told`, `${daemon.top}/heard`];
    const one = script(daemon, "one", `trap 'echo told > ${told}; exit' TERM; exec 5>&-; while :; do sleep 0.1; done`);
    const goesOn = `while :; do sleep 0.1; if [ -e ${heard} ]; then echo still here >> ${heard}; fi; done`;
    const two = script(daemon, "two", `trap 'echo told > ${heard}' TERM; exec 5>&-; ${goesOn}`);
    const end = async (shim: Shim, logger: string) => {
      await shim.create({ stdout: `binary://${logger}` });
      await shim.task.start({ id: shim.id });
      await shim.task.wait({ id: shim.id });
      await finish(shim);
      order.push(shim.id);
    };
    const order: string[] = [];
    await Promise.all([end(polite, one), end(deaf, two)]);
    assert.equal(textOf(told), "told\n");
    assert.deepEqual(order, ["p", "s"]);
    // It was left to itself after SIGTERM.
    assert.match(textOf(heard), /^told\nstill here\nstill here\n/);
  });
});
