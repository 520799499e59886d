// Processes with a terminal.
import assert from "node:assert/strict";
import { eventually } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import { writeFifo } from "./streams.ts";

const plain = (text: string) => text.replaceAll("\r\n", "\n");

export const terminals = area("terminals", [
  scenario("all three are one terminal, and its output is on stdout", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo tty; echo err >&2; exit 3"], {
      terminal: true,
    });
    await box.up({ ...streams, stderr: "", terminal: true });
    assert.equal(await box.wait(), 3);
    assert.equal((await box.state()).terminal, true);
    await box.delete();
    assert.equal((await out.whole).toString(), "tty\r\nerr\r\n");
  }),
  scenario("its size follows ResizePty, and the process hears of it", async (w) => {
    const { out, streams } = w.io();
    const script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    const box = await w.box(["sh", "-c", script], { terminal: true });
    await box.up({ ...streams, stderr: "", terminal: true });
    await eventually("it is ready", () => out.text().includes("ready"));
    for (const [width, height] of [
      [132, 43],
      [40, 10],
    ] as const) {
      await box.resize(width, height);
      await eventually("it knows its size", () => out.text().includes(`${height} ${width}`));
    }
  }),
  scenario("a size set before start is there from the beginning", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["stty", "size"], { terminal: true });
    await box.create({ ...streams, stderr: "", terminal: true });
    await box.resize(111, 22);
    await box.start();
    assert.equal(await box.wait(), 0);
    await box.delete();
    assert.equal((await out.whole).toString(), "22 111\r\n");
  }),
  scenario("input is typed", async (w) => {
    const { out, streams } = w.io(true);
    const box = await w.box(["sh", "-c", 'read line; echo "got $line"'], { terminal: true });
    await box.up({ ...streams, stderr: "", terminal: true });
    const input = await writeFifo(streams.stdin);
    await input.write("words\n");
    assert.equal(await box.wait(), 0);
    await input.end();
    await box.delete();
    assert.equal(plain((await out.whole).toString()), "words\ngot words\n");
  }),
  scenario("a typed Ctrl-C is a signal", async (w) => {
    const { out, streams } = w.io(true);
    const script = "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done";
    const box = await w.box(["sh", "-c", script], { terminal: true });
    await box.up({ ...streams, stderr: "", terminal: true });
    await eventually("it is ready", () => out.text().includes("ready"));
    const input = await writeFifo(streams.stdin);
    await input.write("\x03");
    assert.equal(await box.wait(), 9);
    await input.end();
  }),
  scenario("an exec with a terminal in a container without", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sleep", "1000"]);
    await box.up();
    await box.execUp("e", ["sh", "-c", "test -t 0 && echo tty; exit 4"], { ...streams, stderr: "", terminal: true });
    assert.equal(await box.wait("e"), 4);
    await box.deleteExec("e");
    assert.equal((await out.whole).toString(), "tty\r\n");
  }),
  scenario("an exec's terminal is resized by its id", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sleep", "1000"]);
    await box.up();
    await box.execUp("e", ["sh", "-c", "while :; do stty size; sleep 0.05; done"], {
      ...streams,
      stderr: "",
      terminal: true,
    });
    await box.resize(77, 33, "e");
    await eventually("it knows its size", () => out.text().includes("33 77"));
  }),
  scenario("512 KiB through a terminal arrive whole", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sh", "-c", "yes 0123456789abcde | head -n 32768"], { terminal: true });
    await box.up({ ...streams, stderr: "", terminal: true });
    assert.equal(await box.wait(), 0);
    await box.delete();
    assert.equal(plain((await out.whole).toString()), "0123456789abcde\n".repeat(32768));
  }),
  scenario("a container with a terminal is killed and deleted", async (w) => {
    const { streams } = w.io();
    const box = await w.box(["sleep", "1000"], { terminal: true });
    await box.up({ ...streams, stderr: "", terminal: true });
    await box.kill(9);
    assert.equal(await box.wait(), 137);
    await box.delete();
  }),
]);
