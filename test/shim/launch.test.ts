// How a shim is called: every form that a daemon of some generation uses, and what people type.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readFileSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { BootstrapParams, BootstrapResult } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import { Any } from "@berth/proto/google/protobuf";
import { makeBundle, ociSpec } from "../support/bundle.ts";
import { processesNaming } from "../support/leftovers.ts";
import { killNow } from "../support/processes.ts";
import { alive, type Daemon, openDaemon, reader, shimBinary, until } from "./harness.ts";

interface Launch {
  readonly input?: Uint8Array;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Of the bundle, below the daemon's directory. */
  readonly place?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const plain = /^unix:\/\/\/.+\/[0-9a-f]{64}$/;

/** Runs `start` as a daemon does; nothing may be on stderr. */
function launch(
  daemon: Daemon,
  id: string,
  { input, flags = [], env = {}, place = "t", annotations = {} }: Launch = {},
) {
  const bundle = makeBundle(join(daemon.top, place, daemon.namespace, id), ociSpec({ args: ["true"], annotations }));
  const address = join(daemon.top, "c.sock");
  const result = spawnSync(
    shimBinary,
    ["-namespace", daemon.namespace, "-address", address, "-id", id, ...flags, "start"],
    {
      cwd: bundle,
      env: { ...process.env, TTRPC_ADDRESS: `${address}.ttrpc`, BERTH_SHIM_SOCKET_DIR: join(daemon.top, "s"), ...env },
      ...(input === undefined ? { stdio: ["ignore", "pipe", "pipe"] } : { input }),
    },
  );
  assert.equal(result.stderr.toString(), "");
  return { bundle, status: result.status, stdout: result.stdout, text: result.stdout.toString() };
}

async function end(daemon: Daemon, id: string, bundle: string, address: string): Promise<number> {
  const shim = await daemon.connect(id, bundle, address);
  await shim.task.shutdown({ id });
  await until(() => !alive(shim.pid));
  return shim.pid;
}

const bootstrap = (daemon: Daemon, id: string, more: Partial<BootstrapParams> = {}): Uint8Array =>
  BootstrapParams.encode({ instanceId: id, namespace: daemon.namespace, ...more });

const options = packAny(Options, { binaryName: "crun" });

describe("start", () => {
  for (const [name, input, saved] of [
    ["nothing (/dev/null)", undefined, null],
    ["an empty stdin", new Uint8Array(0), null],
    ["the options of a runtime (1.6 to 2.2)", Any.encode(options), "crun"],
    ["options behind a host", Any.encode({ ...options, typeUrl: `type.googleapis.com/${options.typeUrl}` }), "crun"],
    ["options of another runtime", Any.encode({ typeUrl: "runtimeoptions.v1.Options", value: options.value }), null],
    ["garbage", new Uint8Array(300).fill(0xff), null],
  ] as const)
    it(`answers the plain address to ${name}, and writes it down`, async () => {
      await using daemon = await openDaemon();
      const { bundle, status, text } = launch(daemon, "a", input === undefined ? {} : { input });
      assert.equal(status, 0);
      assert.match(text, plain);
      assert.equal(readFileSync(join(bundle, "address"), "utf8"), text);
      assert.equal(existsSync(join(bundle, "runtime")) ? readFileSync(join(bundle, "runtime"), "utf8") : null, saved);
      await end(daemon, "a", bundle, text);
    });

  it("answers BootstrapParams (2.3) with a BootstrapResult, and takes options and level from them", async () => {
    await using daemon = await openDaemon();
    const input = bootstrap(daemon, "b", {
      logLevel: -4,
      extensions: [{ value: packAny(Options, { binaryName: "crun" }) }],
    });
    const { bundle, stdout } = launch(daemon, "b", { input });
    const reply = BootstrapResult.decode(stdout);
    assert.deepEqual([reply.version, reply.protocol], [3, "ttrpc"]);
    assert.equal(readFileSync(join(bundle, "address"), "utf8"), reply.address);
    assert.equal(readFileSync(join(bundle, "runtime"), "utf8"), "crun");
    await end(daemon, "b", bundle, reply.address);
  });

  it("takes BootstrapParams of another container for what an older daemon sends", async () => {
    await using daemon = await openDaemon();
    const { bundle, text } = launch(daemon, "c", { input: bootstrap(daemon, "another") });
    assert.match(text, plain);
    await end(daemon, "c", bundle, text);
  });

  it("answers JSON of version 3 where the bundle is a sandbox of containerd 2", async () => {
    await using daemon = await openDaemon();
    const place = "io.containerd.sandbox.controller.v1.shim";
    const { bundle, text } = launch(daemon, "p", { place });
    const { version, protocol, address } = JSON.parse(text);
    assert.deepEqual([version, protocol], [3, "ttrpc"]);
    await end(daemon, "p", bundle, address);
  });

  it("listens where 2.3 says, unless that is too long for a socket", async () => {
    await using daemon = await openDaemon();
    const env = { BERTH_SHIM_SOCKET_DIR: "" };
    const socketDir = join(daemon.top, "here");
    const near = launch(daemon, "d", { env, input: bootstrap(daemon, "d", { socketDir }) });
    const there = BootstrapResult.decode(near.stdout).address;
    assert.ok(there.startsWith(`unix://${socketDir}/`), there);
    assert.equal(statSync(socketDir).mode & 0o777, 0o700);
    assert.equal(statSync(there.slice("unix://".length)).mode & 0o777, 0o600);
    await end(daemon, "d", near.bundle, there);

    const far = launch(daemon, "e", { env, input: bootstrap(daemon, "e", { socketDir: `/tmp/${"long".repeat(20)}` }) });
    const { address } = BootstrapResult.decode(far.stdout);
    assert.ok(address.startsWith("unix:///run/containerd/s/"), address);
    await end(daemon, "e", far.bundle, address);
    assert.ok(!existsSync(address.slice("unix://".length)));
  });

  it("listens at -socket, and says nothing else", async () => {
    await using daemon = await openDaemon();
    const socket = join(daemon.top, "mine.sock");
    const { bundle, text } = launch(daemon, "f", { flags: [`--socket=unix://${socket}`] });
    assert.equal(text, `unix://${socket}`);
    await end(daemon, "f", bundle, text);
    assert.ok(!existsSync(socket));
  });

  for (const annotation of ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"])
    it(`gives one shim to all with the same ${annotation}, until the last has gone`, async () => {
      await using daemon = await openDaemon();
      const annotations = { [annotation]: "pod" };
      const one = await daemon.start("one", { args: ["sleep", "1000"], annotations });
      // Each member asks for itself, and has a connection of its own.
      const two = await daemon.start("two", { args: ["sleep", "1000"], annotations });
      const three = launch(daemon, "three", { annotations });
      assert.deepEqual([two.pid, two.address, three.text], [one.pid, one.address, one.address]);
      for (const { task, id } of [one, two]) {
        await (id === "one" ? one : two).create();
        await task.start({ id });
      }
      one.disconnect();
      assert.equal((await two.task.state({ id: "two" })).status, 2);
      const again = await daemon.connect("one", one.bundle, one.address);
      for (const { task, id } of [two, again]) {
        await task.kill({ id, signal: 9 });
        await task.wait({ id });
        await task.delete({ id });
        await task.shutdown({ id, now: true });
        assert.equal(existsSync(one.address.slice("unix://".length)), id === "two");
      }
      await until(() => !alive(one.pid));
    });

  it("does not hold the daemon's pipes, session or directory open", async () => {
    await using daemon = await openDaemon();
    const { bundle, text } = launch(daemon, "g");
    const { pid } = await daemon.connect("g", bundle, text);
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), "/dev/null");
    const [, , , , group, session] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/\(.*\)/, "x")
      .split(" ");
    assert.deepEqual([Number(group), Number(session)], [pid, pid]);
    await end(daemon, "g", bundle, text);
  });

  it("is the kernel's choice before its daemon", async () => {
    await using daemon = await openDaemon();
    const own = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
    const { bundle, text } = launch(daemon, "h");
    const { pid } = await daemon.connect("h", bundle, text);
    assert.equal(Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")), Math.min(own + 1, 1000));
    await end(daemon, "h", bundle, text);
  });

  it("goes into the cgroup that is named for it, and fails where there is none", async () => {
    await using daemon = await openDaemon();
    const folder = `/sys/fs/cgroup/pids/${daemon.namespace}-shims`;
    mkdirSync(folder);
    try {
      const input = (shimCgroup: string) => Any.encode(packAny(Options, { shimCgroup }));
      const { bundle, text } = launch(daemon, "i", { input: input(`/${daemon.namespace}-shims`) });
      const { pid } = await daemon.connect("i", bundle, text);
      assert.equal(readFileSync(`${folder}/cgroup.procs`, "utf8").trim(), String(pid));
      await end(daemon, "i", bundle, text);
      const missing = spawnSync(shimBinary, ["-namespace", daemon.namespace, "-id", "j", "start"], {
        cwd: bundle,
        env: { ...process.env, BERTH_SHIM_SOCKET_DIR: join(daemon.top, "s") },
        input: input("/no/such/cgroup"),
      });
      assert.equal(missing.status, 1);
      assert.match(missing.stderr.toString(), /failed to load cgroup \/no\/such\/cgroup: it does not exist\n$/);
    } finally {
      await until(() => readFileSync(`${folder}/cgroup.procs`, "utf8") === "");
      rmdirSync(folder);
    }
  });

  it("runs on a core of its own where SCHED_CORE says so and the kernel can", async () => {
    await using daemon = await openDaemon();
    const bundle = makeBundle(join(daemon.top, "t", daemon.namespace, "k"), ociSpec({ args: ["true"] }));
    const result = spawnSync(shimBinary, ["-namespace", daemon.namespace, "-id", "k", "start"], {
      cwd: bundle,
      env: { ...process.env, BERTH_SHIM_SOCKET_DIR: join(daemon.top, "s"), SCHED_CORE: "1" },
      input: "",
    });
    // Without hyper-threads or CONFIG_SCHED_CORE the kernel refuses (prctl(2)); containerd's shim then fails, too.
    if (result.status === 0) await end(daemon, "k", bundle, result.stdout.toString());
    else assert.match(result.stderr.toString(), /enable sched core support: .*PR_SCHED_CORE/);
  });
});

describe("a shim that serves", () => {
  const ask = async (path: string): Promise<string> => {
    const socket = connect(path);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    await once(socket, "close");
    return text;
  };

  it("tells its state to who connects to the debug socket, and logs it on SIGUSR1", async () => {
    await using daemon = await openDaemon();
    const debug = join(daemon.top, "debug.sock");
    const bundle = makeBundle(
      join(daemon.top, "t", daemon.namespace, "l"),
      ociSpec({ args: ["sleep", "1000"], cgroupsPath: `/${daemon.namespace}/l` }),
    );
    const log = join(bundle, "log");
    assert.equal(spawnSync("mkfifo", [log]).status, 0);
    const lines = reader(log);
    const result = spawnSync(
      shimBinary,
      ["-namespace", daemon.namespace, "-id", "l", "-debug-socket", debug, "start"],
      {
        cwd: bundle,
        env: { ...process.env, BERTH_SHIM_SOCKET_DIR: join(daemon.top, "s") },
        input: "",
      },
    );
    const shim = await daemon.connect("l", bundle, result.stdout.toString());
    await shim.create();
    assert.match(await ask(debug), new RegExp(`^shim ${shim.pid} namespace=.*\ncontainer l created pid=\\d+ .*\n$`));
    process.kill(shim.pid, "SIGUSR1");
    await until(() => lines.text().includes("container l created"));
    // What nobody reads any more must not end it.
    process.kill(shim.pid, "SIGPIPE");
    assert.equal((await shim.task.connect({ id: "l" })).shimPid, shim.pid);
    await shim.task.delete({ id: "l" });
    await shim.task.shutdown({ id: "l" });
    await until(() => !alive(shim.pid));
    assert.ok(!existsSync(debug));
    lines.close();
  });

  it("has a debug socket under another name of its own with -debug", async () => {
    await using daemon = await openDaemon();
    const { bundle, text } = launch(daemon, "m", { flags: ["-debug"] });
    const shim = await daemon.connect("m", bundle, text);
    const sockets = spawnSync("ls", [join(daemon.top, "s")], { encoding: "utf8" })
      .stdout.trim()
      .split("\n");
    assert.equal(sockets.length, 2);
    const debug = sockets.find((name) => !text.endsWith(name)) ?? "";
    assert.match(await ask(join(daemon.top, "s", debug)), /^shim \d+ namespace=/);
    await shim.task.shutdown({ id: "m" });
    await until(() => !alive(shim.pid));
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const)
    it(`ends on ${signal} without its socket`, async () => {
      await using daemon = await openDaemon();
      const { bundle, text } = launch(daemon, "n");
      const { pid } = await daemon.connect("n", bundle, text);
      process.kill(pid, signal);
      await until(() => !alive(pid));
      assert.ok(!existsSync(text.slice("unix://".length)));
    });

  it("ends without its socket also when it is told to before it serves", async () => {
    await using daemon = await openDaemon();
    const shims = () => processesNaming(daemon.namespace).filter(({ command }) => command.endsWith(" start"));
    for (let i = 0; i < 50; i++) {
      const { text } = launch(daemon, `n${i}`);
      for (const { pid } of shims()) killNow(pid, "SIGTERM");
      await until(() => shims().length === 0);
      assert.ok(!existsSync(text.slice("unix://".length)), `${i}`);
    }
  });
});

describe("the command line", () => {
  const call = (...args: string[]) => spawnSync(shimBinary, args, { cwd: "/", input: "", encoding: "utf8" });

  for (const [args, status, text] of [
    [["-nope", "start"], 2, "flag provided but not defined: -nope"],
    [["--nope=1", "start"], 2, "flag provided but not defined: -nope"],
    [["-id"], 2, "flag needs an argument: -id"],
    [["-debug=perhaps", "start"], 2, "flag -debug takes true or false"],
    [["-namespace", "n", "start"], 1, "shim cannot be started without -id"],
    [["-id", "x", "start"], 1, "shim cannot be started without -namespace"],
    [["-id", "x", "-namespace", "n"], 1, "no command: use start or delete"],
    [["-id", "x", "-namespace", "n", "stop"], 1, 'unknown command "stop": use start or delete'],
    [["-namespace", "n", "delete"], 1, "delete needs -id"],
  ] as const)
    it(`says what is wrong with ${args.join(" ")}`, () => {
      const { status: ended, stdout, stderr } = call(...args);
      assert.deepEqual([ended, stdout], [status, ""]);
      assert.ok(stderr.startsWith(`containerd-shim-berth-v2: ${text}`), stderr);
      assert.equal(stderr.split("\n").length, 2);
    });

  for (const flag of ["-v", "--v", "-version", "-v=true"])
    it(`tells its version with ${flag}`, () =>
      assert.match(
        call(flag).stdout,
        /^containerd-shim-berth-v2:\n {2}Version: {2}\S+\n {2}Revision: \n {2}Go version: .*\n\n$/,
      ));

  const info = (binaryName: string) => {
    const input = Any.encode(packAny(Options, { binaryName }));
    const { status, stdout } = spawnSync(shimBinary, ["-info"], { cwd: "/", input });
    assert.equal(status, 0);
    return RuntimeInfo.decode(stdout);
  };
  it("tells what runc can do with -info, and gives the options back", () => {
    const { name, version, options: back, features, annotations } = info("runc");
    assert.deepEqual([name, Object.keys(annotations)], ["io.containerd.berth.v2", []]);
    assert.ok(version?.version);
    assert.equal(Options.decode(back?.value ?? new Uint8Array(0)).binaryName, "runc");
    assert.equal(features?.typeUrl, "types.containerd.io/opencontainers/runtime-spec/1/features/Features");
    const own = spawnSync("runc", ["features"]);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(features?.value)), JSON.parse(own.stdout.toString()));
  });
  it("tells no features of a runtime that cannot say them, or is not there", () => {
    assert.equal(info("crun").features === null, spawnSync("crun", ["features"]).status !== 0);
    assert.equal(info("/no/such/runtime").features, null);
  });
});

describe("delete", () => {
  const remove = (daemon: Daemon, id: string, bundle: string, ...flags: string[]) =>
    spawnSync(shimBinary, ["-namespace", daemon.namespace, "-id", id, ...flags, "delete"], { cwd: bundle });

  it("works without a server, a bundle's files, or -bundle", async () => {
    await using daemon = await openDaemon();
    const bundle = join(daemon.top, "t", daemon.namespace, "q");
    mkdirSync(bundle, { recursive: true });
    for (const flags of [[], ["-bundle", bundle], ["-debug"]]) {
      const { status, stdout } = remove(daemon, "q", bundle, ...flags);
      assert.equal(status, 0);
      assert.ok(stdout.length > 0);
    }
  });

  it("takes the socket of a dead shim away, and leaves that of a living one", async () => {
    await using daemon = await openDaemon();
    const { bundle, text } = launch(daemon, "r");
    const path = text.slice("unix://".length);
    const { pid } = await daemon.connect("r", bundle, text);
    assert.equal(remove(daemon, "r", bundle).status, 0);
    assert.ok(existsSync(path));
    process.kill(pid, "SIGKILL");
    await until(() => !alive(pid));
    assert.ok(existsSync(path));
    assert.equal(remove(daemon, "r", bundle).status, 0);
    assert.ok(!existsSync(path));
  });

  it("does not mind that nobody reads what it says", async () => {
    await using daemon = await openDaemon();
    const bundle = makeBundle(join(daemon.top, "t", daemon.namespace, "s"), ociSpec({ args: ["true"] }));
    const child = spawn(shimBinary, ["-namespace", daemon.namespace, "-id", "s", "delete"], {
      cwd: bundle,
      stdio: ["ignore", openSync("/dev/null", "w"), "inherit"],
    });
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
  });
});
