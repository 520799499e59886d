// Which OCI runtime a shim runs, and what it says where a file cannot be read.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeBundle, ociSpec } from "../support/bundle.ts";
import { openDaemon, shimBinary } from "./harness.ts";

const runc = execFileSync("sh", ["-c", "command -v runc"]).toString().trim();

/** A program in `folder` that notes its name and runs runc. */
function runtimeIn(folder: string, note: string, name = "my-runc"): void {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho "$0" >>${note}\nexec ${runc} "$@"\n`);
  chmodSync(path, 0o755);
}

describe("the runtime of a shim", { timeout: 60_000 }, () => {
  it("is looked for on PATH once: the same is used until it is gone, however often it is replaced", async () => {
    const path = process.env.PATH;
    const top = `/tmp/berth-runtimes-${process.pid}`;
    const note = join(top, "note");
    mkdirSync(top);
    const used = () => [...new Set(readFileSync(note, "utf8").trim().split("\n"))];
    try {
      process.env.PATH = `relative:.::${top}/a:${top}/b:${path}`;
      await using daemon = await openDaemon();
      runtimeIn(`${top}/b`, note);
      const shim = await daemon.start("r", { args: ["sleep", "100"] }, { runtime: "my-runc" });
      // The shim works in its bundle: a program there is nobody's choice.
      runtimeIn(shim.bundle, note);
      runtimeIn(join(shim.bundle, "relative"), note);
      await shim.create();
      await shim.task.start({ id: "r" });
      runtimeIn(`${top}/a`, note);
      runtimeIn(`${top}/b`, note);
      await shim.exec("one", ["true"]);
      await shim.task.wait({ id: "r", execId: "one" });
      assert.deepEqual(used(), [`${top}/b/my-runc`]);
      rmSync(`${top}/b/my-runc`);
      await shim.exec("two", ["true"]);
      await shim.task.wait({ id: "r", execId: "two" });
      assert.deepEqual(used(), [`${top}/b/my-runc`, `${top}/a/my-runc`]);
      rmSync(`${top}/a/my-runc`);
      await assert.rejects(shim.exec("three", ["true"]), /exec: "my-runc": executable file not found in \$PATH/);
      runtimeIn(`${top}/a`, note);
      await shim.task.kill({ id: "r", signal: 9 });
      await shim.task.wait({ id: "r" });
      await shim.task.delete({ id: "r" });
    } finally {
      process.env.PATH = path;
      rmSync(top, { recursive: true });
    }
  });
});

describe("a file that cannot be read", { timeout: 60_000 }, () => {
  it("is not called a wrong one by a create: the reason is told", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("f", { args: ["true"] });
    const open = readdirSync(`/proc/${shim.pid}/fd`).length;
    execFileSync("prlimit", ["--pid", `${shim.pid}`, `--nofile=${open}:4096`]);
    await assert.rejects(shim.create(), (error: Error) => {
      assert.match(error.message, /too many open files|no file descriptors available/i);
      assert.doesNotMatch(error.message, /is not a container specification/);
      return true;
    });
    execFileSync("prlimit", ["--pid", `${shim.pid}`, "--nofile=4096:4096"]);
    await shim.create();
    await shim.task.kill({ id: "f", signal: 9 });
    await shim.task.wait({ id: "f" });
    await shim.task.delete({ id: "f" });
  });

  it("is not called a wrong one by a start, and what is no JSON is", async () => {
    await using daemon = await openDaemon();
    const bundle = makeBundle(join(daemon.top, "b"), ociSpec({ args: ["true"] }));
    const start = (limit: string) =>
      spawnSync("prlimit", [limit, shimBinary, "-namespace", "n", "-id", "i", "-address", `${daemon.top}/c`, "start"], {
        cwd: bundle,
        env: { BERTH_SHIM_SOCKET_DIR: join(daemon.top, "s") },
      });
    const full = start("--nofile=3");
    assert.equal(full.status, 1);
    assert.match(full.stderr.toString(), /config\.json.*(too many open files|no file descriptors available)/i);
    assert.doesNotMatch(full.stderr.toString(), /is not a container specification/);
    writeFileSync(join(bundle, "config.json"), "{");
    const wrong = start("--nofile=64");
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr.toString(), /config\.json is not a container specification/);
  });
});

describe("an exec whose specification and request differ about a terminal", { timeout: 60_000 }, () => {
  for (const terminal of [true, false])
    it(`follows the request: ${terminal ? "one" : "none"}`, async () => {
      await using daemon = await openDaemon();
      const shim = await daemon.start("t", { args: ["sleep", "100"] });
      await shim.create();
      await shim.task.start({ id: "t" });
      const stdout = daemon.fifo("out");
      const spec = { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process" };
      const process = { args: ["/bin/sh", "-c", "test -t 1 && exit 7; exit 8"], cwd: "/", env: [], user: {} };
      const value = new TextEncoder().encode(JSON.stringify({ ...process, terminal: !terminal }));
      await shim.task.exec({ id: "t", execId: "x", terminal, stdout, spec: { ...spec, value } });
      await shim.task.start({ id: "t", execId: "x" });
      assert.equal((await shim.task.wait({ id: "t", execId: "x" })).exitStatus, terminal ? 7 : 8);
      await shim.task.delete({ id: "t", execId: "x" });
      await shim.task.kill({ id: "t", signal: 9 });
      await shim.task.wait({ id: "t" });
      await shim.task.delete({ id: "t" });
    });
});
