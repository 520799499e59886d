// berthd as a program: its sockets, its flags, its end, and what it does with nonsense.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { kindOf, messageOf } from "@berth/base";
import { defaultSpec } from "@berth/engine";
import { connectGrpc } from "@berth/grpc";
import { packAny } from "@berth/proto";
import { TaskOOM } from "@berth/proto/containerd/events";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Introspection } from "@berth/proto/containerd/services/introspection/v1";
import { RuntimeInfo, RuntimeRequest } from "@berth/proto/containerd/types";
import { Any } from "@berth/proto/google/protobuf";
import { berthdPath, goShim, startBerthd } from "../support/berthd.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const failure = (promise: Promise<unknown>): Promise<{ code: number; stderr: string }> =>
  promise.then(
    () => assert.fail("it should have failed"),
    (error: { code: number; stderr: string }) => error,
  );

describe("berthd", () => {
  let berthd: Supervisor;
  before(async () => {
    berthd = await startBerthd();
  });
  after(() => berthd?.[Symbol.asyncDispose]());

  it("takes a hundred megabytes at most", () => {
    const rss = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${berthd.pid}/status`, "utf8"))?.[1]);
    assert.ok(rss < 100 << 10, `${rss} KiB`);
  });

  it("gives back at rest what its start has left, and answers", async () => {
    const resident = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${berthd.pid}/status`, "utf8"))?.[1]);
    await until(
      () => resident() < 50 << 10,
      () => `${resident()} KiB are resident`,
    );
    assert.match(await berthd.ctr("version"), /Server:/);
  });

  it("has private sockets", () => {
    for (const path of [berthd.address, berthd.ttrpcAddress]) assert.equal(statSync(path).mode & 0o7777, 0o660, path);
  });

  it("refuses to start beside a living one, at its address or on its root", async () => {
    const other = mkdtempSync("/run/berth-bd2-");
    try {
      const own = ["--root", join(other, "root"), "--state", join(other, "state")];
      const sameAddress = await failure(run(berthdPath, [...own, "--address", berthd.address]));
      assert.match(sameAddress.stderr, /^berthd: another berthd answers at .*b\.sock: stop it first\n$/);
      const sameRoot = await failure(
        run(berthdPath, ["--address", join(other, "b.sock"), "--root", berthd.root, "--state", join(other, "state")]),
      );
      assert.match(sameRoot.stderr, /^berthd: .+\n$/);
      await berthd.ctr("version");
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it("says of a runtime what its shim and the runtime itself say", async () => {
    const connection = connectGrpc(berthd.address);
    try {
      const ask = (runtimePath: string) =>
        connection.service(Introspection).pluginInfo({
          type: "io.containerd.runtime.v2",
          id: "task",
          options: packAny(RuntimeRequest, { runtimePath, options: packAny(Options, { binaryName: "runc" }) }),
        });
      const info = RuntimeInfo.decode((await ask("io.containerd.runc.v2")).extra?.value ?? new Uint8Array());
      assert.equal(info.name, "io.containerd.berth.v2");
      const features = JSON.parse(new TextDecoder().decode(info.features?.value)) as { ociVersionMax: string };
      assert.match(features.ociVersionMax, /^1\./);
      // containerd's own shim of 1.6 does not know the flag.
      const unknowing: Promise<unknown> = ask(goShim);
      await assert.rejects(unknowing, (error) => kindOf(error) === "unknown" && /-info/.test(messageOf(error)));
    } finally {
      connection.close();
    }
  });

  it("goes on after truncated and random bytes on both sockets", async () => {
    for (const path of [berthd.address, berthd.ttrpcAddress]) {
      for (const size of [1, 9, 10, 24, 100, 5000]) {
        const socket = connect(path);
        socket.on("error", () => {}); // it may well be cut off
        await once(socket, "connect");
        socket.end(randomBytes(size));
        socket.resume();
        await once(socket, "close");
      }
      const silent = connect(path);
      await once(silent, "connect");
      silent.destroy();
    }
    await berthd.ctr("version");
  });

  it("publishes an event for a shim that cannot", async () => {
    const watching = spawn("/usr/bin/ctr", ["--address", berthd.address, "events"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let seen = "";
    watching.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
    });
    const event = Any.encode(packAny(TaskOOM, { containerId: "big" }));
    try {
      // ctr does not say when it has subscribed.
      await until(async () => {
        const args = ["--address", berthd.address, "publish", "--topic", "/tasks/oom", "--namespace", "ns1"];
        const child = spawn(berthdPath, args, { stdio: ["pipe", "inherit", "inherit"] });
        child.stdin.end(event);
        const [status] = (await once(child, "exit")) as [number];
        assert.equal(status, 0);
        return seen.includes('"big"');
      }, "the event arrives");
    } finally {
      watching.kill();
    }
    assert.match(seen, /ns1 \/tasks\/oom \{"container_id":"big"\}/);
  });

  it("says in one sentence that what it printed did not all arrive", async () => {
    const child = run("sh", ["-c", '"$0" config default > /dev/full', berthdPath]);
    const { code, stderr } = await child.then(
      () => assert.fail("it went well"),
      (error: { code: number; stderr: string }) => error,
    );
    assert.equal(code, 1);
    assert.match(stderr, /^berthd: standard output cannot be written \(ENOSPC.*\): not all was printed\n$/);
  });

  it("is replaced after SIGKILL, though its sockets are still there", async () => {
    const { pid } = berthd;
    await berthd.end("SIGKILL");
    statSync(berthd.address);
    await berthd.restart();
    assert.notEqual(berthd.pid, pid);
  });

  it("writes what it holds on SIGUSR1", async () => {
    process.kill(berthd.pid, "SIGUSR1");
    const path = join(berthd.state, "berthd-dump.json");
    await until(() => existsSync(path), "the file is there");
    const dump = JSON.parse(readFileSync(path, "utf8")) as {
      pid: number;
      processes: { pid: number; memory: number }[];
    };
    assert.equal(dump.pid, berthd.pid);
    const [own] = dump.processes;
    assert.equal(own?.pid, berthd.pid);
    assert.ok(own.memory > 20 << 20, "it runs on Node");
  });

  it("keeps its uuid over a restart, and stops on SIGTERM with its sockets removed", async () => {
    const uuid = async () => /UUID: +(\S+)/.exec(await berthd.ctr("version"))?.[1];
    const before_ = await uuid();
    await berthd.end("SIGTERM");
    // One that had to be killed would have left them.
    assert.throws(() => statSync(berthd.address), { code: "ENOENT" });
    assert.match(berthd.log(), /stopping/);
    await berthd.restart();
    assert.equal(await uuid(), before_);
  });
});

describe("berthd's command line", () => {
  it("says one sentence about what it does not understand, and status 1", async () => {
    const dir = mkdtempSync("/tmp/berth-config-");
    try {
      const file = join(dir, "c.toml");
      writeFileSync(file, "version = 2\n[grpc]\nuid = true\n");
      const cases: [string[], RegExp][] = [
        [["--nonsense"], /^berthd: Unknown option '--nonsense'/],
        [
          ["--config", "/does/not/exist"],
          /^berthd: configuration \/does\/not\/exist cannot be read: no such file or directory\n$/,
        ],
        [["--config", file], /^berthd: .*c\.toml: grpc\.uid must be an integer, and is true\n$/],
        [["--root", "relative"], /^berthd: root "relative" must be an absolute path\n$/],
        [["--log-level", "loud"], /^berthd: --log-level: debug\.level must be/],
      ];
      for (const [args, words] of cases) {
        const { code, stderr } = await failure(run(berthdPath, args));
        assert.equal(code, 1);
        assert.match(stderr, words);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("prints a configuration that it reads back, and its version, with nothing on standard error", async () => {
    const { stdout, stderr } = await run(berthdPath, ["config", "default"]);
    assert.equal(stderr, "");
    const dir = mkdtempSync("/tmp/berth-config-");
    try {
      writeFileSync(join(dir, "c.toml"), stdout);
      assert.equal((await run(berthdPath, ["--config", join(dir, "c.toml"), "config", "dump"])).stdout, stdout);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
    const theirs = await run("/usr/bin/containerd", ["config", "default"]);
    const file = join(mkdtempSync("/tmp/berth-config-"), "theirs.toml");
    try {
      writeFileSync(file, theirs.stdout);
      const dumped = await run(berthdPath, ["--config", file, "config", "migrate"]);
      assert.match(dumped.stdout, /^version = 3\nroot = "\/var\/lib\/containerd"\n/);
      assert.match(
        dumped.stderr,
        /^berthd: configuration: plugins\."io\.containerd\.grpc\.v1\.cri" is not known here$/m,
      );
    } finally {
      rmSync(dirname(file), { recursive: true, force: true });
    }
    assert.match((await run(berthdPath, ["--version"])).stdout, /^berthd \d+\.\d+\.\d+/);
  });
});

it("the default spec is the one that ctr prints, but for the version and the devices that ctr run adds", async () => {
  const theirs = JSON.parse((await run("/usr/bin/ctr", ["oci", "spec"])).stdout) as Record<string, unknown> & {
    linux: { resources: unknown; cgroupsPath: string };
  };
  const ours = defaultSpec("default", "x");
  assert.deepEqual(ours.linux.resources.devices[0], { allow: false, access: "rwm" });
  assert.deepEqual(
    { ...ours, linux: { ...ours.linux, resources: 0, cgroupsPath: "" } },
    { ...theirs, ociVersion: ours.ociVersion, linux: { ...theirs.linux, resources: 0, cgroupsPath: "" } },
  );
});
