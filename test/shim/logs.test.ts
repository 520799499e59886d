// The log of a container as the shim writes it, read as berthd does.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { LONGEST_RECORD } from "../../packages/engine/src/logs/log-record.ts";
import { type LogChunk, readLog } from "../../packages/engine/src/logs/read-log.ts";
import { filesOpenIn } from "../support/processes.ts";
import { type Daemon, openDaemon, type Shim, shimBinary, until } from "./harness.ts";

const directoryOf = (daemon: Daemon) => `${daemon.top}/logs`;

/** The URI of a log in a directory of its own. */
function logUri(daemon: Daemon, bytes: number, files: number): string {
  mkdirSync(directoryOf(daemon), { recursive: true, mode: 0o700 });
  return `berth-log://${directoryOf(daemon)}/log?max-size=${bytes}&max-file=${files}`;
}

const read = async (daemon: Daemon, tail = 0): Promise<LogChunk[]> =>
  await Array.fromAsync(readLog({ directory: directoryOf(daemon), bare: "/nowhere" }, { after: null, tail }));

const text = (chunks: readonly LogChunk[], stream?: LogChunk["stream"]) =>
  chunks
    .filter((chunk) => stream === undefined || chunk.stream === stream)
    .map(({ data }) => Buffer.from(data).toString())
    .join("");

const sizes = (daemon: Daemon) =>
  Object.fromEntries(
    readdirSync(directoryOf(daemon)).map((name) => [name, statSync(`${directoryOf(daemon)}/${name}`).size]),
  );

async function runToEnd(shim: Shim, request: Parameters<Shim["create"]>[0]): Promise<number> {
  await shim.create(request);
  await shim.task.start({ id: shim.id });
  const { exitStatus } = await shim.task.wait({ id: shim.id });
  await shim.task.delete({ id: shim.id });
  return exitStatus;
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");

describe("a container's log", { timeout: 120_000 }, () => {
  it("keeps the streams apart, and their order where the container waits between them", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("s", {
      args: ["sh", "-c", "for i in 1 2 3; do echo out $i; usleep 30000; echo err $i >&2; usleep 30000; done"],
    });
    assert.equal(await runToEnd(shim, { stdout: logUri(daemon, 0, 1) }), 0);
    const chunks = await read(daemon);
    assert.equal(text(chunks), "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
    assert.equal(text(chunks, "stderr"), "err 1\nerr 2\nerr 3\n");
  });

  for (const terminal of [false, true])
    it(`never outgrows its limits, and ends with what was written last (${terminal ? "terminal" : "pipes"})`, async () => {
      await using daemon = await openDaemon();
      const command = `${terminal ? "stty -onlcr; " : ""}seq 100001 900000; echo the end`;
      const shim = await daemon.start("r", { args: ["sh", "-c", command], terminal });
      assert.equal(await runToEnd(shim, { stdout: logUri(daemon, 262_144, 3), terminal }), 0);
      const all = sizes(daemon);
      assert.deepEqual(Object.keys(all).sort(), ["log", "log.1", "log.2"]);
      for (const [name, size] of Object.entries(all)) assert.ok(size <= 262_144, `${name} has ${size}`);
      for (const name of ["log.1", "log.2"])
        assert.ok((all[name] ?? 0) > 262_144 - LONGEST_RECORD, `${name} was full: ${all[name]}`);
      const kept = text(await read(daemon));
      const first = Number(/\n(\d+)\n/.exec(kept)?.[1]);
      assert.ok(kept.endsWith(`${numbers(first, 900_000)}the end\n`), "the newest lines are there without a gap");
      assert.equal(text(await read(daemon, 3)), "899999\n900000\nthe end\n");
    });

  it("takes more between two rotations than a pump moves at once", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("m", { args: ["sh", "-c", "yes 0123456789abcde | head -c 33554432; echo end"] });
    assert.equal(await runToEnd(shim, { stdout: logUri(daemon, 3 << 20, 3) }), 0);
    assert.ok(text(await read(daemon, 2)).endsWith("0123456789abcde\nend\n"));
    assert.ok(Object.values(sizes(daemon)).every((size) => size <= 3 << 20));
  });

  it("goes on in the same files after a restart of the container, and in a new one behind a torn record", async () => {
    await using daemon = await openDaemon();
    for (const id of ["a", "b", "c"]) {
      const shim = await daemon.start(id, { args: ["echo", id] });
      assert.equal(await runToEnd(shim, { stdout: logUri(daemon, 65_536, 3) }), 0);
      if (id === "b") truncateSync(`${directoryOf(daemon)}/log`, statSync(`${directoryOf(daemon)}/log`).size - 3);
    }
    assert.deepEqual(Object.keys(sizes(daemon)).sort(), ["log", "log.1"]);
    const chunks = await read(daemon);
    assert.equal(text(chunks, "stdout"), "a\nc\n");
    assert.match(text(chunks, "berth"), /bytes of the log cannot be read here/);
  });

  it("is one for a container and its exec: both rotate it, neither loses a line", async () => {
    await using daemon = await openDaemon();
    const stdout = logUri(daemon, 65_536, 400);
    const shim = await daemon.start("e", { args: ["sh", "-c", "read go; seq 1000000 1100000; read end"] });
    const stdin = daemon.fifo("in");
    await shim.create({ stdin, stdout });
    await shim.task.start({ id: "e" });
    // The exec writes to stderr, so that each is one stream, whose lines are whole.
    await shim.exec("x", ["sh", "-c", "seq 2000000 2100000 >&2"], { stdout });
    const input = openSync(stdin, "w");
    writeFileSync(input, "\n");
    assert.equal((await shim.task.wait({ id: "e", execId: "x" })).exitStatus, 0);
    // Not before: an exec is killed with the container.
    writeFileSync(input, "\n");
    assert.equal((await shim.task.wait({ id: "e" })).exitStatus, 0);
    await shim.task.delete({ id: "e", execId: "x" });
    await shim.task.delete({ id: "e" });
    for (const [name, size] of Object.entries(sizes(daemon))) assert.ok(size <= 65_536, `${name} has ${size}`);
    const chunks = await read(daemon);
    assert.equal(text(chunks, "stdout"), numbers(1_000_000, 1_100_000));
    assert.equal(text(chunks, "stderr"), numbers(2_000_000, 2_100_000));
  });

  it("is not begun on a full disk: the container runs, and the log begins when there is room", async () => {
    await using daemon = await openDaemon();
    const stdout = logUri(daemon, 65_536, 2);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", directoryOf(daemon)]);
    assert.equal(mounted.status, 0, mounted.stderr.toString());
    try {
      const fill = `${directoryOf(daemon)}/fill`;
      spawnSync("dd", ["if=/dev/zero", `of=${fill}`, "bs=4k"]);
      const stdin = daemon.fifo("in");
      const shim = await daemon.start("f", { args: ["sh", "-c", "echo lost; read go; echo kept"] });
      await shim.create({ stdin, stdout });
      await shim.task.start({ id: "f" });
      const input = openSync(stdin, "w");
      truncateSync(fill, 0);
      await until(() => readdirSync(directoryOf(daemon)).includes("log"));
      writeFileSync(input, "\n");
      assert.equal((await shim.task.wait({ id: "f" })).exitStatus, 0);
      await shim.task.delete({ id: "f" });
      assert.match(text(await read(daemon)), /^\nberth: 5 bytes of output were lost here: .*no space left.*\nkept\n$/i);
    } finally {
      spawnSync("umount", ["-l", directoryOf(daemon)]);
    }
  });

  it("keeps its limit where it cannot be rotated, tells of the gap, and goes on once it can", async () => {
    await using daemon = await openDaemon();
    const stdout = logUri(daemon, 65_536, 2);
    const stdin = daemon.fifo("in");
    // A directory is where the rotated file would be.
    mkdirSync(`${directoryOf(daemon)}/log.1/in-the-way`, { recursive: true });
    const shim = await daemon.start("r", {
      args: ["sh", "-c", "seq 100000 140000; : >/tmp/written; read go; echo kept"],
    });
    await shim.create({ stdin, stdout });
    await shim.task.start({ id: "r" });
    const input = openSync(stdin, "w");
    const { pid } = await shim.task.state({ id: "r" });
    await until(() => existsSync(`/proc/${pid}/root/tmp/written`));
    assert.ok((sizes(daemon).log ?? 0) <= 65_536);
    spawnSync("rm", ["-r", `${directoryOf(daemon)}/log.1`]);
    await until(() => sizes(daemon)["log.1"] !== undefined);
    writeFileSync(input, "\n");
    assert.equal((await shim.task.wait({ id: "r" })).exitStatus, 0);
    await shim.task.delete({ id: "r" });
    const kept = text(await read(daemon));
    assert.match(kept, /\nberth: \d+ bytes of output were lost here: .*\nkept\n$/);
    const gap = /\nberth: (\d+) bytes/.exec(kept);
    const before = kept.slice(0, gap?.index);
    assert.ok(before.startsWith(numbers(100_000, 101_000)));
    const told = kept.match(/\nberth: .*\n/g) ?? [];
    const lost = told.reduce((sum, notice) => sum + Number(/\d+/.exec(notice)?.[0]), 0);
    const length = kept.length - told.join("").length - "kept\n".length;
    assert.equal(length + lost, 40_001 * 7, "what is there and what is counted is all");
  });

  for (const [kind, path] of [
    ["a directory", "/tmp"],
    ["a device", "/dev/null"],
    ["a link", "/proc/self/exe"],
  ] as const)
    it(`is refused where ${kind} is in its place, and leaves no descriptor`, async () => {
      await using daemon = await openDaemon();
      const shim = await daemon.start("x", { args: ["true"] });
      for (let turn = 0; turn < 3; turn++) {
        await assert.rejects(shim.create({ stdout: `berth-log://${path}?max-size=65536&max-file=2` }), {
          message: /failed to create process I\/O: open/,
        });
      }
      const open = filesOpenIn(shim.pid);
      assert.ok(!open.some((name) => name.startsWith(path) && name !== "/dev/null"), `open are ${open}`);
      assert.ok(!open.some((name) => name.startsWith("pipe:")), `open are ${open}`);
    });
});

describe("the shim as the logging program of another", { timeout: 60_000 }, () => {
  it("writes what its descriptors give, to their end", async () => {
    await using daemon = await openDaemon();
    logUri(daemon, 0, 1);
    const program = `exec 3< <(seq 1 20000) 4< <(echo err) 5>&1; exec ${shimBinary} -max-file 2 -log ${directoryOf(daemon)}/log -max-size 65536`;
    const child = spawn("bash", ["-c", program], { stdio: ["ignore", "pipe", "inherit"] });
    assert.equal(await new Promise((done) => child.once("exit", done)), 0);
    const chunks = await read(daemon);
    assert.ok(text(chunks, "stdout").endsWith(numbers(15_000, 20_000)));
    assert.deepEqual(Object.keys(sizes(daemon)).sort(), ["log", "log.1"]);
  });

  it("writes what lies there before it ends by a signal", async () => {
    await using daemon = await openDaemon();
    logUri(daemon, 0, 1);
    const program = `exec 3< <(echo said; exec sleep 1000 >&2) 4< <(exec sleep 1000 >&2) 5>&1 >&2; exec ${shimBinary} -log ${directoryOf(daemon)}/log`;
    const child = spawn("bash", ["-c", program], { stdio: ["ignore", "pipe", "inherit"], detached: true });
    await new Promise((done) => child.stdout.once("end", done).resume());
    process.kill(child.pid as number, "SIGTERM");
    assert.equal(await new Promise((done) => child.once("exit", done)), 0);
    process.kill(-(child.pid as number), "SIGKILL");
    assert.equal(text(await read(daemon)), "said\n");
  });
});
