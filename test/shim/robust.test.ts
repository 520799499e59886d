// What must never take a container down: a mistake of the shim's own, a peer that says nothing, one that may not
// connect, and paths that cannot be opened.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { packAny, typeUrls } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { encodeFrame } from "@berth/ttrpc";
import { type LiveShim, startShim } from "../fuzz/live-shim.ts";
import { makeBundle, ociProcess, ociSpec } from "../support/bundle.ts";
import { processesNaming } from "../support/leftovers.ts";
import { until } from "./harness.ts";

const spec = { typeUrl: typeUrls.process, value: new TextEncoder().encode(JSON.stringify(ociProcess(["true"]))) };

/** A container on a stand-in for a runtime, started. */
async function withContainer(shim: LiveShim) {
  const { task } = await shim.connect();
  const options = packAny(Options, { binaryName: join(shim.top, "runtime"), root: join(shim.top, "runc") });
  await task.create({ id: "c0", bundle: shim.bundle, options });
  await task.start({ id: "c0" });
  return task;
}

const refusal = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return "nothing";
  } catch (error) {
    return `${kindOf(error)}: ${messageOf(error)}`;
  }
};

describe("a mistake in the shim itself", () => {
  for (const variant of ["release", "debug"] as const)
    it(`is logged with its stack, and the shim goes on reaping and answering (${variant})`, async () => {
      await using shim = await startShim(variant, { module: join(import.meta.dirname, "broken.ts") });
      const task = await withContainer(shim);
      process.kill(shim.pid, "SIGUSR2");
      await until(() => shim.log().includes("rejected on purpose"));
      const [line = ""] = shim
        .log()
        .split("\n")
        .filter((each) => each.includes("broken on purpose"));
      assert.match(line, /level=error msg="a task failed unexpectedly" .*TypeError: broken on purpose/);
      assert.match(line, variant === "debug" ? /at theMistake \(.*:\d+\)/ : /at .+/);

      await task.exec({ id: "c0", execId: "e1", spec });
      await task.start({ id: "c0", execId: "e1" });
      assert.equal((await task.wait({ id: "c0", execId: "e1" })).exitStatus, 3);
      await task.kill({ id: "c0", signal: 9 });
      assert.equal((await task.wait({ id: "c0" })).exitStatus, 137);
      await task.delete({ id: "c0" });
    });
});

it("a runtime's reason is told also when its log has grown long", async () => {
  await using shim = await startShim("release");
  const task = await withContainer(shim);
  const log = join(shim.bundle, "log.json");
  const old = `${JSON.stringify({ level: "error", msg: "an older failure" })}\n`;
  writeFileSync(log, old.repeat(40_000));
  writeFileSync(join(shim.top, "runc/no-pause"), "");
  for (let time = 0; time < 2; time++)
    assert.match(await refusal(task.pause({ id: "c0" })), /OCI runtime pause failed: no pause today: unknown/);
  assert.ok(statSync(log).size < old.length * 100, "the log begins anew");
  await task.kill({ id: "c0", signal: 9 });
  await task.wait({ id: "c0" });
  await task.delete({ id: "c0" });
});

describe("a peer", () => {
  it("of another user is refused", async () => {
    await using shim = await startShim("release");
    // The modes alone would keep it out: they are opened here, so that nothing but the peer's identity is left.
    for (const path of [shim.top, dirname(shim.path)]) chmodSync(path, 0o755);
    chmodSync(shim.path, 0o666);
    const script = `const s = require("net").connect(process.argv[1]); s.resume();
      s.on("connect", () => console.log("connected")); s.on("close", () => console.log("closed")); s.on("error", () => {})`;
    const argv = ["--reuid=1000", "--regid=1000", "--clear-groups", process.execPath, "-e", script, shim.path];
    const { stdout, stderr } = spawnSync("/usr/bin/setpriv", argv, { encoding: "utf8", timeout: 20_000 });
    assert.equal(stdout, "connected\nclosed\n", stderr);
    await until(() => shim.log().includes("a connection of another user was closed"));
    await shim.check();
  });

  it("that says nothing, or half a frame, costs a descriptor and nobody else", async () => {
    await using shim = await startShim("release");
    const task = await withContainer(shim);
    const before = shim.descriptors().length;
    const others = [];
    for (let i = 0; i < 60; i++) {
      const { socket } = await shim.connect();
      socket.on("error", () => {}); // one too many: it is closed
      if (i % 2 === 0) socket.write(encodeFrame(1, 1, 0, new Uint8Array(200)).subarray(0, 3 + (i % 50)));
      others.push(socket);
    }
    assert.equal((await task.state({ id: "c0" })).status, 2);
    await shim.check();
    assert.ok(shim.descriptors().length <= before + 32, `${shim.descriptors().length - before} more descriptors`);
    for (const socket of others) socket.destroy();
    await until(() => shim.descriptors().length <= before);
    await task.kill({ id: "c0", signal: 9 });
    await task.wait({ id: "c0" });
    await task.delete({ id: "c0" });
  });
});

describe("what cannot be opened", () => {
  it("fails its own call, and no other", async () => {
    await using shim = await startShim("release");
    const task = await withContainer(shim);
    const cases: readonly [path: string, text: RegExp][] = [
      ["/does/not/exist", /^unknown: failed to create process I\/O: open "\/does\/not\/exist": no such file/],
      [shim.top, /is a directory/],
      ["file:///dev/null/x", /mkdir "\/dev\/null": not a directory/],
      ["binary:///does/not/exist", /does\/not\/exist/],
      ["ftp://x", /unknown STDIO scheme/],
    ];
    for (const [i, [stdout, text]] of cases.entries()) {
      await task.exec({ id: "c0", execId: `e${i}`, spec, stdout });
      assert.match(await refusal(task.start({ id: "c0", execId: `e${i}` })), text);
      await task.delete({ id: "c0", execId: `e${i}` });
    }
    await shim.check();
    assert.equal((await task.state({ id: "c0" })).status, 2);
  });

  it("a FIFO that nobody reads holds nothing up, also where it is called a file", async () => {
    await using shim = await startShim("release");
    const task = await withContainer(shim);
    const fifo = join(shim.top, "lonely");
    assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
    for (const [i, stdout] of [fifo, `file://${fifo}`].entries()) {
      await task.exec({ id: "c0", execId: `e${i}`, spec, stdout }, { timeoutMs: 5000 });
      await task.start({ id: "c0", execId: `e${i}` }, { timeoutMs: 5000 });
      assert.equal((await task.wait({ id: "c0", execId: `e${i}` }, { timeoutMs: 5000 })).exitStatus, 3);
      await task.delete({ id: "c0", execId: `e${i}` }, { timeoutMs: 20_000 });
    }
    await shim.check();
  });
});

it("a start that cannot leave its address in the bundle leaves no shim", async () => {
  await using shim = await startShim("release");
  const bundle = makeBundle(join(shim.top, "other"), ociSpec({ args: ["true"] }));
  mkdirSync(join(bundle, "address"));
  const flags = ["-namespace", "fuzz", "-id", "other", "-address", "", "-publish-binary", "/bin/false"];
  const env = { ...process.env, BERTH_SHIM_SOCKET_DIR: dirname(shim.path) };
  const result = spawnSync(shim.binary, [...flags, "start"], { cwd: bundle, env, timeout: 20_000, encoding: "utf8" });
  assert.equal(result.status, 1);
  assert.match(result.stderr, /address": is a directory\n$/);
  await until(() => processesNaming(shim.top).every(({ pid }) => pid === shim.pid));
  await shim.check();
});

describe("an exec", () => {
  it("called init leaves init's files alone", async () => {
    await using shim = await startShim("release");
    const task = await withContainer(shim);
    const before = readFileSync(join(shim.bundle, "init.pid"), "utf8");
    await task.exec({ id: "c0", execId: "init", spec });
    await task.start({ id: "c0", execId: "init" });
    await task.wait({ id: "c0", execId: "init" });
    await task.delete({ id: "c0", execId: "init" });
    assert.equal(readFileSync(join(shim.bundle, "init.pid"), "utf8"), before);
  });

  it("whose id leads elsewhere is refused", async () => {
    await using shim = await startShim("release");
    const task = await withContainer(shim);
    for (const execId of ["../x", "a/b", "", "a\0b", "-x"])
      assert.match(await refusal(task.exec({ id: "c0", execId, spec })), /^invalid-argument: exec id /);
    assert.ok(!existsSync(join(shim.top, "x.spec.json")));
  });

  it("whose process is none of the shim's is refused and never signalled", async () => {
    await using shim = await startShim("release");
    const task = await withContainer(shim);
    await task.exec({ id: "c0", execId: "foreign1", spec });
    assert.match(
      await refusal(task.start({ id: "c0", execId: "foreign1" })),
      /^unknown: the OCI runtime named process 1, which is not its own/,
    );
    assert.match(await refusal(task.kill({ id: "c0", execId: "foreign1", signal: 9 })), /process not created/);
    await task.delete({ id: "c0", execId: "foreign1" });
  });
});
