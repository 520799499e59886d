import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { kindOf, mountsBelow } from "@berth/base";
import { identify, isAlive, runCommand } from "@berth/helper";
import { packAny, topics, toTimestamp } from "@berth/proto";
import { TaskExit, TaskOOM } from "@berth/proto/containerd/events";
import { BootstrapResult } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { parseBootstrapReply, socketPath } from "../src/bootstrap-reply.ts";
import { createExitLedger } from "../src/exit-ledger.ts";
import { createShimResolver, shimBinaryName } from "../src/index.ts";
import { createLimit } from "../src/limit.ts";
import { lineSplitter } from "../src/shim-log.ts";
import type { Envelope } from "../src/types.ts";

describe("finding a shim", () => {
  for (const [name, binary] of [
    ["io.containerd.runc.v2", "containerd-shim-runc-v2"],
    ["io.containerd.kata.v2", "containerd-shim-kata-v2"],
    ["wasmtime.v1", "containerd-shim-wasmtime-v1"],
  ] as const)
    it(`${name} is ${binary}`, () => assert.equal(shimBinaryName(name), binary));

  for (const name of ["", "runc", ".runc", "io.containerd.runc.", "a/b.c.v2", "../x.v1"])
    it(`${JSON.stringify(name)} is no name of a runtime`, () =>
      assert.throws(
        () => shimBinaryName(name),
        (error) => kindOf(error) === "unknown",
      ));

  it("looks at the configured shims, on PATH, beside the supervisor, and takes an absolute path", () => {
    const top = mkdtempSync(join(tmpdir(), "berth-resolve-"));
    try {
      const make = (path: string) => {
        writeFileSync(path, "");
        chmodSync(path, 0o755);
        return path;
      };
      for (const name of ["path", "own"]) mkdirSync(join(top, name));
      const configured = make(join(top, "configured"));
      const onPath = make(join(top, "path/containerd-shim-a-v1"));
      const beside = make(join(top, "own/containerd-shim-b-v1"));
      writeFileSync(join(top, "path/containerd-shim-c-v1"), "not executable");
      const resolve = createShimResolver({
        shims: { "io.containerd.runc.v2": configured },
        path: `.:${top}/path`,
        ownDirectory: join(top, "own"),
      });
      assert.equal(resolve("io.containerd.runc.v2"), configured);
      assert.equal(resolve("io.containerd.a.v1"), onPath);
      assert.equal(resolve("io.containerd.b.v1"), beside);
      assert.equal(resolve(onPath), onPath);
      for (const name of ["io.containerd.c.v1", "io.containerd.none.v1", "/no/such"])
        assert.throws(() => resolve(name), new RegExp(name.replaceAll(".", "\\.")));
      assert.throws(() => resolve("io.containerd.none.v1"), /"containerd-shim-none-v1": file does not exist$/);
    } finally {
      rmSync(top, { recursive: true });
    }
  });
});

describe("a shim's reply", () => {
  const address = "unix:///run/x.sock";
  const read = { version: 3, address, protocol: "ttrpc" };
  it("is an address", () =>
    assert.deepEqual(parseBootstrapReply(Buffer.from(`${address}\n`)), { ...read, version: 2 }));
  it("is JSON", () => assert.deepEqual(parseBootstrapReply(Buffer.from(JSON.stringify(read))), read));
  it("is a BootstrapResult", () => assert.deepEqual(parseBootstrapReply(BootstrapResult.encode(read)), read));
  it("is nothing else", () => {
    for (const text of ["", " ", "{}", "{", "vsock://1:2", "unix://relative", `unix:///${"x".repeat(200)}`, "a b"])
      assert.throws(() => parseBootstrapReply(Buffer.from(text)), text);
  });
  it("without a scheme is an abstract socket", () =>
    assert.equal(socketPath("/containerd-shim/a.sock"), "\0/containerd-shim/a.sock"));
});

describe("the exits that were told", () => {
  const exit = (pid: number) => ({ pid, status: 1, at: 1n });
  const told = (namespace: string, containerId: string, id: string, pid: number): Envelope => ({
    timestamp: 1n,
    namespace,
    topic: topics.taskExit,
    event: packAny(TaskExit, { containerId, id, pid, exitStatus: 1, exitedAt: toTimestamp(1n) }),
  });
  const killed: Envelope = {
    timestamp: 1n,
    namespace: "ns",
    topic: topics.taskOom,
    event: packAny(TaskOOM, { containerId: "c" }),
  };
  it("are told once for each process, and to whoever keeps init's", () => {
    const news: string[] = [];
    const ledger = createExitLedger({
      exited: (_namespace, container, process) => news.push(`${container}/${process}`),
      ranOutOfMemory: (_namespace, container) => news.push(`${container} ran out of memory`),
    });
    assert.equal(ledger.admit(told("ns", "c", "c", 1)), true);
    assert.equal(ledger.admit(told("ns", "c", "c", 1)), false);
    assert.equal(ledger.admit(told("ns", "c", "exec", 1)), true);
    assert.equal(ledger.admit(told("other", "c", "c", 1)), true);
    assert.equal(ledger.admit(killed), true);
    assert.equal(ledger.admit(killed), true);
    assert.deepEqual(news.splice(0), ["c/c", "c/exec", "c/c", "c ran out of memory"]);
    assert.equal(ledger.initExit("ns", "c", 0)?.pid, 1);
    assert.equal(ledger.initExit("ns", "c", 2), null);
    ledger.forget("ns", "c");
    assert.equal(ledger.note("ns", "c", "c", exit(1)), true, "what others have told is no news");
    assert.equal(ledger.note("ns", "c", "c", exit(1)), false);
    assert.equal(ledger.admit(told("ns", "c", "c", 1)), false);
    assert.deepEqual(news, []);
  });
});

describe("a process", () => {
  it("is known by pid and start time", () => {
    const self = identify(process.pid);
    assert.ok(self !== null && isAlive(self));
    assert.equal(isAlive({ ...self, startTime: "1" }), false);
    for (const pid of [0, 1, -1, 2 ** 22 + 1, Number.NaN]) assert.equal(identify(pid), null);
  });
});

/** Far more than any of them takes. */
const HANG_MS = 120_000;

describe("a command", () => {
  it("that forks something which holds its output is not waited for", async () => {
    const script = "sleep 1000 & echo $!; exit 3";
    const result = await runCommand({ file: "sh", args: ["-c", script], timeoutMs: HANG_MS });
    const sleeper = Number(result.stdout.toString());
    try {
      process.kill(sleeper, 0);
      assert.equal(result.status, 3);
    } finally {
      process.kill(sleeper, "SIGKILL");
    }
  });
  it("gets its input, and may leave it unread", async () => {
    const input = Buffer.alloc(1 << 20, "x");
    assert.equal(
      (await runCommand({ file: "wc", args: ["-c"], input, timeoutMs: HANG_MS })).stdout.toString().trim(),
      "1048576",
    );
    assert.equal((await runCommand({ file: "true", args: [], input, timeoutMs: HANG_MS })).status, 0);
  });
  it("that is not there is an error", async () => {
    await assert.rejects(runCommand({ file: "/no/such", args: [], timeoutMs: 100 }), /ENOENT/);
  });
});

describe("small things", () => {
  it("finds mounts below a directory, with odd names", () => {
    const line = (path: string) => `36 35 98:0 / ${path} rw - ext3 /dev/root rw`;
    const info = [line("/a"), line("/a/b\\040c"), line("/ab"), line("/a/b\\040c/d")].join("\n");
    assert.deepEqual(mountsBelow(info, "/a/b c"), ["/a/b c", "/a/b c/d"]);
    assert.deepEqual(mountsBelow(info, "/ab"), ["/ab"]);
  });
  it("cuts a log into lines of bounded length", () => {
    const lines: string[] = [];
    const split = lineSplitter((line) => lines.push(line));
    for (const chunk of ["on", "e\n\ntwo\nth", "ree\n", "x".repeat(5000), "yyy\nfour\n"]) split(Buffer.from(chunk));
    assert.deepEqual(
      lines.map((line) => line.slice(0, 5)),
      ["one", "two", "three", "xxxxx", "four"],
    );
    assert.equal(lines[3]?.length, 2048);
  });
  it("runs only so many at once", async () => {
    const limit = createLimit(2);
    let running = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 6 }, () =>
        limit(async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
        }),
      ),
    );
    assert.equal(most, 2);
  });
});
