// Where output goes and input comes from: FIFOs, files, loggers, nothing.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, refused } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import { readFifo } from "./streams.ts";

const both = ["sh", "-c", "echo out; echo err >&2"];
/** Writes `bytes` bytes of a known sequence. */
const big = (bytes: number) => ["sh", "-c", `yes 0123456789abcde | head -c ${bytes}`];
const bigBytes = (bytes: number) => Buffer.from("0123456789abcde\n".repeat(bytes / 16 + 1)).subarray(0, bytes);
const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export const stdio = area("stdio", [
  scenario("two FIFOs: output and errors, to their ends", async (w) => {
    const { out, err, streams } = w.io();
    const box = await w.box(both);
    await box.up(streams);
    await box.wait();
    await box.delete();
    assert.deepEqual([(await out.whole).toString(), (await err.whole).toString()], ["out\n", "err\n"]);
  }),
  scenario("only stdout given", async (w) => {
    const out = w.reading("out");
    const box = await w.box(both);
    const text =
      'failed to create shim task: failed to start io pipe copy: unable to copy pipes: containerd-shim: opening file "" failed: open : no such file or directory: unknown';
    await refused(box.create({ stdout: out.path }), "unknown", text);
  }),
  scenario("only stderr given", async (w) => {
    const err = w.reading("err");
    const box = await w.box(both);
    const text =
      'failed to create shim task: failed to start io pipe copy: unable to copy pipes: containerd-shim: opening file "" failed: open : no such file or directory: unknown';
    await refused(box.create({ stderr: err.path }), "unknown", text);
  }),
  scenario("nothing given: input is empty, output goes nowhere", async (w) => {
    const box = await w.box(["sh", "-c", 'test -z "$(cat)" && echo out && echo err >&2 && exit 4']);
    await box.up();
    assert.equal(await box.wait(), 4);
  }),
  scenario("a reader sees the end of output at the exit, before delete", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(both);
    await box.up(streams);
    assert.equal((await out.whole).toString(), "out\n");
    await box.wait();
  }),
  scenario("one FIFO for both", async (w) => {
    const out = w.reading("out");
    const box = await w.box(both);
    await box.up({ stdout: out.path, stderr: out.path });
    await box.wait();
    await box.delete();
    assert.deepEqual((await out.whole).toString().split("\n").sort(), ["", "err", "out"]);
  }),
  scenario("file://: both in one file, whose folders are made", async (w) => {
    const path = join(w.dir, "new/folder/log");
    // It stays: at the end of stdout containerd's shim closes the file, and loses what it has not yet read of stderr.
    const box = await w.box(["sh", "-c", "echo out; echo err >&2; exec sleep 1000"]);
    await box.up({ stdout: `file://${path}`, stderr: `file://${path}` });
    const lines = () => readFileSync(path, "utf8").split("\n").sort();
    await eventually("both are there", () => lines().length >= 3);
    await box.down();
    assert.deepEqual(lines(), ["", "err", "out"]);
  }),
  scenario("file:// is appended to", async (w) => {
    const path = join(w.dir, "log");
    writeFileSync(path, "before\n");
    const box = await w.box(["echo", "after"]);
    await box.up({ stdout: `file://${path}`, stderr: `file://${path}` });
    await box.wait();
    await box.delete();
    assert.equal(readFileSync(path, "utf8"), "before\nafter\n");
  }),
  scenario("plain files are appended to", async (w) => {
    const [out, err] = [join(w.dir, "out"), join(w.dir, "err")];
    writeFileSync(out, "a\n");
    writeFileSync(err, "b\n");
    const box = await w.box(both);
    await box.up({ stdout: out, stderr: err });
    await box.wait();
    await box.delete();
    assert.deepEqual([readFileSync(out, "utf8"), readFileSync(err, "utf8")], ["a\nout\n", "b\nerr\n"]);
  }),
  scenario("binary://: a logger with its arguments, variables and both streams", async (w) => {
    const { uri, result } = logger(w.dir);
    const box = await w.box(both);
    await box.up({ stdout: `${uri}?flag=value`, stderr: `${uri}?flag=value` });
    await box.wait();
    await box.delete();
    await eventually("the logger is done", () => existsSync(result));
    assert.deepEqual(readFileSync(result, "utf8").trim().split("\n"), [
      "flag value",
      `${box.id} ${w.stage.namespace}`,
      "out",
      "err",
    ]);
  }),
  scenario("binary://: a logger that is not there", async (w) => {
    const box = await w.box(both);
    await refused(box.create({ stdout: "binary:///no/such/logger" }), "unknown", /\/no\/such\/logger/);
    assert.ok(!existsSync(w.bundle(box.id)));
  }),
  scenario("an unknown scheme", async (w) => {
    const box = await w.box(both);
    await refused(box.create({ stdout: "gopher://x/y" }), "unknown", /unknown STDIO scheme gopher/);
    assert.ok(!existsSync(w.bundle(box.id)));
  }),
  scenario("a plain path that is not there", async (w) => {
    const box = await w.box(both);
    await refused(box.create({ stdout: join(w.dir, "none"), stderr: join(w.dir, "none") }), "unknown", /none/);
    assert.ok(!existsSync(w.bundle(box.id)));
  }),
  scenario("output: 8 MiB and an exit at once arrive whole", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(big(8 << 20));
    await box.up(streams);
    assert.equal(await box.wait(), 0);
    await box.delete();
    assert.equal(hash(await out.whole), hash(bigBytes(8 << 20)));
  }),
  scenario("output: 8 MiB into a file", async (w) => {
    const path = join(w.dir, "log");
    const box = await w.box(big(8 << 20));
    await box.up({ stdout: `file://${path}`, stderr: `file://${path}` });
    assert.equal(await box.wait(), 0);
    await box.delete();
    assert.equal(hash(readFileSync(path)), hash(bigBytes(8 << 20)));
  }),
  scenario("output: a reader that leaves and one that comes lose nothing of what is written then", async (w) => {
    const { out: first, streams } = w.io();
    const box = await w.box(["sh", "-c", "echo one; while test ! -e /tmp/go; do sleep 0.02; done; echo two"]);
    await box.up(streams);
    await eventually("the first has read", () => first.text() === "one\n");
    first.close();
    const second = readFifo(first.path);
    await box.run("go", "touch", "/tmp/go");
    assert.equal(await box.wait(), 0);
    await eventually("the second has read", () => second.text() === "two\n");
    second.close();
  }),
  scenario("output: a reader that comes late gets all", async (w) => {
    const [stdout, stderr] = [w.fifo("out"), w.fifo("err")];
    const box = await w.box(["echo", "all"]);
    const created = box.create({ stdout, stderr });
    // Create may wait for the readers, or not: both are right.
    await eventually("the shim has the bundle", () => existsSync(join(w.bundle(box.id), "config.json")));
    const [out, err] = [readFifo(stdout), readFifo(stderr)];
    await created;
    await box.start();
    assert.equal(await box.wait(), 0);
    await box.delete();
    assert.equal((await out.whole).toString(), "all\n");
    await err.whole;
  }),
  scenario("a child that holds the output open does not hold back the exit", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sleep", "1000"]);
    await box.up();
    await box.execUp("e", ["sh", "-c", "echo out; sleep 1000 & exit 3"], streams);
    assert.equal(await box.wait("e"), 3);
    await eventually("its output is read", () => out.text() === "out\n");
  }),
  scenario("the state repeats the paths", async (w) => {
    const { streams } = w.io(true);
    const box = await w.box(["sleep", "1000"]);
    await box.up(streams);
    const { stdin, stdout, stderr, terminal } = await box.state();
    assert.deepEqual([{ stdin, stdout, stderr }, terminal], [streams, false]);
  }),
]);

/** A logger that writes down all that it was given. */
function logger(dir: string): { uri: string; result: string } {
  const program = join(dir, "logger");
  const result = join(dir, "logged");
  writeFileSync(
    program,
    `#!/bin/sh
trap '' TERM # sent at the end, when there may be something left to read
exec > ${result}.part
echo "$@"
echo "$CONTAINER_ID $CONTAINER_NAMESPACE"
exec 5>&-
cat <&3
cat <&4
mv ${result}.part ${result}
`,
  );
  chmodSync(program, 0o755);
  return { uri: `binary://${program}`, result };
}
