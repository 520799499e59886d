// What a start finds and cannot explain is put aside; what is ours for sure goes; what runs stays.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { kindOf, type Log } from "@berth/base";
import { identify } from "@berth/helper";
import { bundleOf, createBundle, openLayout } from "../src/bundle.ts";
import { bundledContainers, type CreateTask } from "../src/index.ts";
import { type FakeHost, openFakeHost } from "./fake-shim.ts";

const NS = "test";
const TASKS = "io.containerd.runtime.v2.task";
const root = process.getuid?.() === 0;

const bundleIn = (host: FakeHost, id: string, namespace = NS) => join(host.state, TASKS, namespace, id);
const workIn = (host: FakeHost, id: string, namespace = NS) => join(host.directory, "root", TASKS, namespace, id);
const asideIn = (host: FakeHost, area: "bundles" | "tasks", id: string, namespace = NS) =>
  join(host.directory, "aside", area, namespace, id);

function files(at: string, contents: Readonly<Record<string, string>>): void {
  mkdirSync(at, { recursive: true });
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(at, name)), { recursive: true });
    writeFileSync(join(at, name), content);
  }
}

const optionsOf = (id: string): CreateTask => ({
  id,
  rootfs: [],
  stdin: "",
  stdout: "",
  stderr: "",
  terminal: false,
  client: null,
  checkpoint: "",
  options: null,
  runtimePath: "",
});

function recordingLog(): { log: Log; warnings: string[] } {
  const warnings: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn: (sentence, fields) => void warnings.push(`${sentence} ${String(fields?.path ?? "")}`),
    error: (sentence) => void warnings.push(sentence),
    with: () => log,
  };
  return { log, warnings };
}

async function reconnected(host: FakeHost) {
  const runtime = await host.open();
  await runtime.reconnect();
  return runtime;
}

describe("a bundle without a journal", () => {
  it("is put aside with its work directory and one warning for each, and its name is free", async () => {
    const { log, warnings } = recordingLog();
    await using host = await openFakeHost(log);
    files(bundleIn(host, "web"), { "config.json": "{}", "notes/mine": "kept" });
    files(workIn(host, "web"), { "dump.log": "kept too" });
    const runtime = await reconnected(host);
    assert.equal(readFileSync(join(asideIn(host, "bundles", "web"), "notes/mine"), "utf8"), "kept");
    assert.equal(readFileSync(join(asideIn(host, "tasks", "web"), "dump.log"), "utf8"), "kept too");
    assert.deepEqual(warnings, [
      `a bundle that is not known is put aside, to be deleted later ${asideIn(host, "bundles", "web")}`,
      `a task's work directory that is not known is put aside, to be deleted later ${asideIn(host, "tasks", "web")}`,
    ]);
    await host.container("web");
    assert.equal((await runtime.tasks.create(NS, optionsOf("web"))).id, "web");
  });

  const ours: Record<string, (bundle: string, work: string) => void> = {
    "before its first file": () => {},
    "before its root": (bundle) => files(bundle, { ".berth.json": "" }),
    "before its journal": (bundle, work) => {
      files(bundle, { ".berth.json": "", "config.json": "{}" });
      mkdirSync(join(bundle, "rootfs"));
      mkdirSync(work, { recursive: true });
      symlinkSync(work, join(bundle, "work"));
      execFileSync("mkfifo", [join(bundle, "log")]);
    },
    "while its journal was written": (bundle) => {
      files(bundle, { ".berth.json": '{"version":1,' });
      mkdirSync(join(bundle, "rootfs"));
    },
  };
  for (const [what, make] of Object.entries(ours))
    it(`goes where a create of ours was cut short ${what}`, async () => {
      const { log, warnings } = recordingLog();
      await using host = await openFakeHost(log);
      mkdirSync(bundleIn(host, "web"), { recursive: true });
      make(bundleIn(host, "web"), workIn(host, "web"));
      await reconnected(host);
      assert.deepEqual(warnings, []);
      for (const path of [bundleIn(host, "web"), workIn(host, "web"), join(host.directory, "aside")])
        assert.ok(!existsSync(path), path);
    });

  const nearly: Record<string, (bundle: string) => void> = {
    "with one file more": (bundle) => files(bundle, { ".berth.json": "", note: "" }),
    "with something in its root": (bundle) => files(bundle, { ".berth.json": "", "rootfs/file": "" }),
    "whose link to its work directory leads elsewhere": (bundle) => {
      files(bundle, { ".berth.json": "" });
      symlinkSync("/etc", join(bundle, "work"));
    },
    "whose log is a file": (bundle) => files(bundle, { ".berth.json": "", log: "lines" }),
    "without a sign of ours": (bundle) => files(bundle, { "config.json": "{}" }),
  };
  for (const [what, make] of Object.entries(nearly))
    it(`is put aside ${what}`, async () => {
      await using host = await openFakeHost();
      make(bundleIn(host, "web"));
      await reconnected(host);
      assert.ok(existsSync(asideIn(host, "bundles", "web")));
      assert.ok(!existsSync(bundleIn(host, "web")));
    });

  it("goes as a create of ours makes it", async () => {
    await using host = await openFakeHost();
    const layout = openLayout(host.state, join(host.directory, "root"));
    createBundle(bundleOf(layout, NS, "web"), { typeUrl: "", value: Buffer.from("{}") });
    await reconnected(host);
    for (const path of [bundleIn(host, "web"), workIn(host, "web"), join(host.directory, "aside")])
      assert.ok(!existsSync(path), path);
  });

  it("of names that no container can have is put aside", async () => {
    await using host = await openFakeHost();
    for (const [namespace, id] of [
      [NS, "a b\n"],
      ["name space", "web"],
    ] as const)
      files(bundleIn(host, id, namespace), { "init.pid": "0" });
    await reconnected(host);
    assert.ok(existsSync(asideIn(host, "bundles", "a b\n")));
    assert.ok(existsSync(asideIn(host, "bundles", "web", "name space")));
  });

  it("is put aside where it leads to no shim and no container", async () => {
    await using host = await openFakeHost();
    files(bundleIn(host, "web"), { address: "unix:///nowhere/s", "init.pid": "0" });
    await reconnected(host);
    assert.ok(existsSync(join(asideIn(host, "bundles", "web"), "address")));
    assert.deepEqual(host.commands("web"), []);
  });

  it("is left where it is while its init runs, and so is its name", { skip: !root }, async () => {
    const { log, warnings } = recordingLog();
    await using host = await openFakeHost(log);
    const inits: ChildProcess[] = [];
    try {
      const start = async (...command: string[]) => {
        const child = spawn(command[0] as string, command.slice(1), { stdio: ["ignore", "pipe", "ignore"] });
        inits.push(child);
        await once(child.stdout as NonNullable<typeof child.stdout>, "data");
        return identify(child.pid ?? 0) ?? assert.fail("it does not run");
      };
      const plain = await start("sh", "-c", "echo; exec sleep 1000");
      const own = await start("unshare", "-m", "sh", "-c", "echo; exec sleep 1000");
      for (const id of ["by-state", "by-status", "by-pid"]) {
        files(bundleIn(host, id), { "config.json": "{}" });
        files(workIn(host, id), { file: "" });
      }
      writeFileSync(join(bundleIn(host, "by-pid"), "init.pid"), String(own.pid));
      files(join(host.state, "runc", NS, "by-state"), {
        "state.json": JSON.stringify({ init_process_pid: plain.pid, init_process_start: Number(plain.startTime) }),
      });
      files(join(host.state, "runc", NS, "by-status"), {
        status: JSON.stringify({ pid: plain.pid, "process-start-time": Number(plain.startTime) }),
      });
      const runtime = await reconnected(host);
      for (const id of ["by-state", "by-status", "by-pid"]) {
        const { pid } = id === "by-pid" ? own : plain;
        assert.ok(existsSync(join(bundleIn(host, id), "config.json")));
        assert.ok(existsSync(join(workIn(host, id), "file")));
        assert.ok(
          warnings.includes(
            `a bundle that is not known stays in its place: its process ${pid} runs: end it first ${bundleIn(host, id)}`,
          ),
        );
        assert.equal(runtime.tasks.known(NS, id), null);
      }
      assert.ok(inits.every(({ exitCode, signalCode }) => exitCode === null && signalCode === null));
    } finally {
      for (const child of inits) child.kill("SIGKILL");
    }
  });

  it("in which something is mounted stays, and a create says so", { skip: !root }, async () => {
    await using host = await openFakeHost();
    const runtime = await reconnected(host);
    await host.container("web");
    files(bundleIn(host, "web"), { "rootfs/x": "", "data/x": "" });
    for (const name of ["rootfs", "data"])
      execFileSync("mount", ["-t", "tmpfs", "none", join(bundleIn(host, "web"), name)]);
    try {
      writeFileSync(join(bundleIn(host, "web"), "data/file"), "nowhere else");
      await assert.rejects(
        runtime.tasks.create(NS, optionsOf("web")),
        (error) => kindOf(error) === "failed-precondition" && /data: unmount it first$/.test(String(error)),
      );
      assert.equal(readFileSync(join(bundleIn(host, "web"), "data/file"), "utf8"), "nowhere else");
    } finally {
      execFileSync("umount", [join(bundleIn(host, "web"), "data")]);
    }
    await runtime.tasks.create(NS, optionsOf("web"));
    assert.ok(existsSync(join(asideIn(host, "bundles", "web"), "rootfs/x")));
  });
});

it("what is no spec in a bundle is taken for none, and never waited for", async () => {
  await using host = await openFakeHost();
  files(bundleIn(host, "spec"), { "config.json": "{}" });
  files(bundleIn(host, "cut"), { "config.json": '{"process":' });
  for (const id of ["link", "device", "directory", "fifo", "none"]) mkdirSync(bundleIn(host, id));
  symlinkSync("nowhere", join(bundleIn(host, "link"), "config.json"));
  symlinkSync("/dev/zero", join(bundleIn(host, "device"), "config.json"));
  mkdirSync(join(bundleIn(host, "directory"), "config.json"));
  execFileSync("mkfifo", [join(bundleIn(host, "fifo"), "config.json")]);
  const found = bundledContainers(host.state, join(host.directory, "root"));
  assert.equal(found.length, 7);
  assert.deepEqual(
    found.filter(({ spec }) => spec !== null).map(({ id }) => id),
    ["spec"],
  );
});

describe("the sweep", () => {
  it("removes work directories of containers and empty ones, and puts others aside", async () => {
    await using host = await openFakeHost();
    await host.container("known");
    files(workIn(host, "known"), { "restore.log": "" });
    files(workIn(host, "strange"), { file: "" });
    files(workIn(host, "web", "name space"), { file: "" });
    mkdirSync(workIn(host, "empty"));
    await reconnected(host);
    assert.deepEqual(readdirSync(dirname(workIn(host, "any"))), []);
    assert.equal(host.exits.get("known")?.status, 255);
    assert.ok(existsSync(join(asideIn(host, "tasks", "strange"), "file")));
    assert.ok(existsSync(join(asideIn(host, "tasks", "web", "name space"), "file")));
    assert.ok(!existsSync(asideIn(host, "tasks", "empty")));
  });

  it("removes hidden directories only where a removal of ours has hidden them", async () => {
    const { log, warnings } = recordingLog();
    await using host = await openFakeHost(log);
    for (const name of [".web.0123abcd", ".web", ".snapshot"]) files(bundleIn(host, name), { file: "" });
    await reconnected(host);
    assert.deepEqual(readdirSync(dirname(bundleIn(host, "any"))).sort(), [".snapshot", ".web"]);
    assert.equal(warnings.length, 2);
  });
});
