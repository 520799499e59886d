// Where input comes from, and when it ends.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { eventually } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import { writeFifo } from "./streams.ts";

const bytesOf = (count: number) => Buffer.alloc(count, "0123456789abcde\n");
const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export const input = area("input", [
  scenario("a client writes, closes, and CloseIO ends it", async (w) => {
    const { out, streams } = w.io(true);
    const box = await w.box(["sh", "-c", "cat; echo end"]);
    await box.up(streams);
    const input = await writeFifo(streams.stdin);
    await input.write("hello\n");
    await eventually("it is echoed", () => out.text() === "hello\n");
    await input.end();
    await box.closeInput();
    assert.equal(await box.wait(), 0);
    assert.equal((await out.whole).toString(), "hello\nend\n");
  }),
  scenario("a client may leave and another come", async (w) => {
    const { out, streams } = w.io(true);
    const box = await w.box(["cat"]);
    await box.up(streams);
    for (const word of ["one\n", "two\n", "three\n"]) {
      const input = await writeFifo(streams.stdin);
      await input.write(word);
      await eventually("it is echoed", () => out.text().endsWith(word));
      await input.end();
    }
    assert.equal(await box.status(), "running");
    await box.closeInput();
    assert.equal(await box.wait(), 0);
    assert.equal((await out.whole).toString(), "one\ntwo\nthree\n");
  }),
  scenario("4 MiB arrive whole", async (w) => {
    const { out, streams } = w.io(true);
    const box = await w.box(["cat"]);
    await box.up(streams);
    const bytes = bytesOf(4 << 20);
    const input = await writeFifo(streams.stdin);
    await input.write(bytes);
    await input.end();
    await box.closeInput();
    assert.equal(await box.wait(), 0);
    assert.equal(hash(await out.whole), hash(bytes));
  }),
  scenario("nobody reads it, and the container ends anyway", async (w) => {
    const { streams } = w.io(true);
    const box = await w.box(["sleep", "0.2"]);
    await box.up(streams);
    const input = await writeFifo(streams.stdin);
    void input.write(bytesOf(1 << 20));
    assert.equal(await box.wait(), 0);
    await box.delete();
  }),
  scenario("of an exec", async (w) => {
    const { out, streams } = w.io(true);
    const box = await w.box(["sleep", "1000"]);
    await box.up();
    await box.execUp("e", ["cat"], streams);
    const input = await writeFifo(streams.stdin);
    await input.write("to the exec\n");
    await input.end();
    await box.closeInput("e");
    assert.equal(await box.wait("e"), 0);
    assert.equal((await out.whole).toString(), "to the exec\n");
  }),
]);
