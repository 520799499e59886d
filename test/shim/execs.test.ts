// How many programs are executed in a container's life, counted by strace: each costs milliseconds.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Any } from "@berth/proto/google/protobuf";
import { goShim } from "../support/berthd.ts";
import { makeBundle, ociSpec } from "../support/bundle.ts";
import { type Daemon, openDaemon, type Shim, shimBinary } from "./harness.ts";

const id = "c";

interface Traced {
  readonly shim: Shim;
  /** Waits until the shim and all that it has started have ended. The programs, without the container's own, sorted. */
  executed(): Promise<string[]>;
}

async function startTraced(daemon: Daemon, binary: string, more: object = {}): Promise<Traced> {
  const { top, namespace } = daemon;
  const log = join(top, "strace");
  const cgroupsPath = `/${namespace}/${id}`;
  const spec = { ...ociSpec({ args: ["sleep", "1000"], cgroupsPath }), ...more };
  const bundle = makeBundle(join(top, "t", namespace, id), spec);
  // containerd's shim insists on a FIFO for its log, with a reader.
  assert.equal(spawnSync("mkfifo", [join(bundle, "log")]).status, 0);
  const logReader = openSync(join(bundle, "log"), constants.O_RDWR | constants.O_NONBLOCK);
  const address = join(top, "c.sock");
  const flags = ["-namespace", namespace, "-address", address, "-publish-binary", "/bin/false", "-id", id];
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    TTRPC_ADDRESS: `${address}.ttrpc`,
    BERTH_SHIM_SOCKET_DIR: join(top, "s"),
  };
  const options = ["-f", "-z", "-qqq", "-s", "4096", "-e", "trace=execve", "-e", "signal=none", "-o", log];
  const strace = spawn("/usr/bin/strace", [...options, binary, ...flags, "start"], {
    cwd: bundle,
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(strace, "exit");
  strace.stdin.end(Any.encode(packAny(Options, { root: join(top, "runc") })));
  const [said] = await once(strace.stdout, "data");
  const shim = await daemon.connect(id, bundle, String(said).trim(), binary);
  return {
    shim,
    async executed() {
      await ended;
      closeSync(logReader);
      // Not at a line's start alone: where strace was writing of a thread that is killed, "1234 ???(" stands before it.
      const calls = readFileSync(log, "utf8").matchAll(/\b\d+ +execve\("[^"]*", \[(.*)\], .* = 0$/gm);
      // The container's own program may be killed before it is executed.
      return [...calls]
        .map(([, list = ""]) => named(JSON.parse(`[${list}]`)))
        .filter((name) => /^(runc|containerd-shim)/.test(name))
        .sort();
    },
  };
}

const verbs = ["create", "start", "exec", "kill", "delete", "ps", "state", "init"];

/** `runc create`, `containerd-shim-x start`, `sleep`: the program and what it is to do. */
function named([program = "", ...args]: readonly string[]): string {
  const verb = args.find((word) => verbs.includes(word));
  return `${program.slice(program.lastIndexOf("/") + 1)}${verb === undefined ? "" : ` ${verb}`}`;
}

/** A life with as many execs, and how it ends. */
async function live({ task, exec, create, disconnect }: Shim, execs: number): Promise<void> {
  await create();
  await task.start({ id });
  for (let i = 0; i < execs; i++) {
    const execId = `e${i}`;
    await exec(execId, ["true"]);
    await task.wait({ id, execId });
    await task.delete({ id, execId });
  }
  await task.kill({ id, signal: 9 });
  await task.wait({ id });
  await task.delete({ id });
  await task.shutdown({ id });
  disconnect();
}

/** `runc init` is executed by runc. */
const life = ["runc create", "runc init"];
const oneExec = ["runc exec", "runc init"];
const shims = [
  { binary: shimBinary, own: ["containerd-shim-berth-v2 start"], more: [] },
  {
    binary: goShim,
    own: ["containerd-shim-runc-v2 start", "containerd-shim-runc-v2"],
    more: ["runc start", "runc delete", "runc kill"],
  },
] as const;

describe("what is executed", () => {
  for (const { binary, own, more } of shims)
    for (const execs of [0, 3])
      it(`by ${binary} in a life with ${execs} execs`, async () => {
        await using daemon = await openDaemon();
        const { shim, executed } = await startTraced(daemon, binary);
        await live(shim, execs);
        const wanted = [...own, ...life, ...more, ...Array.from({ length: execs }, () => oneExec).flat()];
        assert.deepEqual(await executed(), wanted.sort());
      });
  // Which of them runs such a hook, at which step, differs between runtimes and their versions.
  for (const [hook, command] of [
    ["poststart", "runc start"],
    ["poststop", "runc delete"],
  ] as const)
    it(`by the berth shim where there is a ${hook} hook`, async () => {
      await using daemon = await openDaemon();
      const told = join(daemon.top, "told");
      const hooks = { [hook]: [{ path: "/bin/sh", args: ["sh", "-c", `cat >> ${told}`] }] };
      const { shim, executed } = await startTraced(daemon, shimBinary, { hooks });
      await live(shim, 0);
      assert.deepEqual(await executed(), ["containerd-shim-berth-v2 start", ...life, command].sort());
      assert.equal(JSON.parse(readFileSync(told, "utf8")).id, id);
    });
});
