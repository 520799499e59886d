// Every request of the task API, v2 and v3, with random fields; and between them a life as it should be. The events of
// all that go to a daemon that answers nonsense.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BerthError } from "@berth/base";
import { type MessageType, packAny, TaskV3, typeUrls } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import { ShutdownRequest, Task } from "@berth/proto/containerd/task/v2";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { makeBundle, ociProcess, ociSpec } from "../support/bundle.ts";
import { startEventPeer } from "./event-peer.ts";
import { assertFlat } from "./flat.ts";
import { type LiveShim, startShim } from "./live-shim.ts";
import { mutateBytes, mutateJson } from "./mutate.ts";
import type { Random } from "./random.ts";
import { type Hints, hostileStrings, randomMessage } from "./random-message.ts";
import type { Budget, Target } from "./target.ts";

/** Longer than anything that the shim waits for by itself (the drain of a delete: 10 s). */
export const HANG_MS = 25_000;
/** Words of an engine, not of a program: an error that nobody has thought of. */
const engineWords =
  /not a function|of undefined|of null|not iterable|is not defined|InternalError|TypeError|null or undefined|invalid array|out of memory|not an object|cannot convert|not an? \w+ object|must be/;

/** One of each kind of limit of the runtime specification. */
const resources = {
  devices: [{ allow: false, access: "rwm", type: "c", major: 1, minor: -1 }],
  memory: { limit: 1 << 26, reservation: 1 << 25, swap: -1, kernel: 0, swappiness: 60, disableOOMKiller: false },
  cpu: { shares: 1024, quota: -1, period: 100_000, realtimeRuntime: 0, cpus: "0-1", mems: "0", idle: 0 },
  pids: { limit: 100 },
  blockIO: { weight: 100, weightDevice: [{ major: 8, minor: 0, weight: 10 }], throttleReadBpsDevice: [] },
  hugepageLimits: [{ pageSize: "2MB", limit: 0 }],
  network: { classID: 1, priorities: [{ name: "eth0", priority: 0 }] },
  rdma: { mlx4_0: { hcaHandles: 3 } },
  unified: { "memory.high": "max" },
};

type Call = (request: object, options: { timeoutMs: number }) => Promise<object>;

/** Strings, paths, options as a daemon would send them, and as it never would; all inside the shim's own directory. */
export function hintsFor(shim: LiveShim): Hints {
  const { top, bundle } = shim;
  const fifo = join(top, "fifo");
  const stdio = [
    "",
    "",
    fifo,
    join(top, "out.txt"),
    `file://${top}/new/out.txt`,
    `file://${fifo}`,
    join(top, "lonely"),
    `file://${top}/lonely`,
    `file://${top}/out%00.txt`,
    `${top}`,
    "/dev/null",
    "/dev/full",
    join(top, "missing/file"),
    "binary:///bin/false",
    "binary:///bin/true?id=1&flag",
    "binary:///does/not/exist",
    "ftp://x",
    "file://%zz",
    "a\0b",
    "relative",
    `${top}/${"x".repeat(300)}`,
  ];
  const bundles = [
    bundle,
    bundle,
    bundle,
    join(top, "b1"),
    join(top, "b2"),
    join(top, "nothing"),
    fifo,
    "",
    "relative",
  ];
  const options = (random: Random) => {
    // Whatever else is in them, they name a runtime and a root of this directory.
    const kept = {
      binaryName: random.pick([join(top, "runtime"), join(top, "runtime"), join(top, "no-runtime"), top, "a\0b"]),
      root: join(top, "runc"),
    };
    const whole = packAny(Options, { ...kept, systemdCgroup: random.chance(0.2), ioUid: random.pick([0, 1000]) });
    const random_ = (type: MessageType<object>) => randomMessage(random, type, () => undefined);
    return random.pick([
      whole,
      whole,
      { ...whole, value: mutateBytes(random, whole.value) },
      packAny(Options, { ...random_(Options as never), ...kept }),
      packAny(CheckpointOptions, random_(CheckpointOptions as never)),
      { typeUrl: random.pick([whole.typeUrl, "nobody/knows", ""]), value: random.bytes(random.pick([0, 20])) },
    ]);
  };
  const json = (random: Random, typeUrl: string, value: object) => ({
    typeUrl: random.chance(0.8) ? typeUrl : random.pick(["", "x"]),
    value: random.chance(0.3) ? new TextEncoder().encode(JSON.stringify(value)) : mutateJson(random, value),
  });
  const mounts = (random: Random) =>
    random.chance(0.6)
      ? []
      : [
          {
            type: random.pick(["tmpfs", "bind", "overlay", "", "nosuchfs", "a\0b"]),
            source: random.pick([top, join(top, "b1"), "none", "", "\0"]),
            target: random.pick(["", "", "a", "../..", "/", "a\0b"]),
            options: Array.from({ length: random.int(0, 4) }, () =>
              random.pick([
                "ro",
                "rbind",
                "bind",
                "constructor",
                "__proto__",
                "toString",
                "rshared",
                "x=y",
                "lowerdir=/a:/b",
                ",,,",
                "z".repeat(5000),
              ]),
            ),
          },
        ];
  return (field, random) => {
    if (random.chance(0.03)) return undefined;
    switch (field) {
      case "id":
        return random.chance(0.9) ? random.pick(["c0", "c0", "c0", "c1", "c2"]) : random.pick(hostileStrings);
      case "execId":
        return random.chance(0.9)
          ? random.pick(["", "e1", "e2", "fail1", "silent1", "garbage1", "foreign1", "init"])
          : random.pick(hostileStrings);
      case "bundle":
        return random.pick(bundles);
      case "stdin":
        // CloseIO has a boolean of this name: whatever is true will do.
        return random.pick(["", "", fifo, join(top, "lonely"), top, join(top, "missing"), "/dev/null"]);
      case "stdout":
      case "stderr":
        return random.pick(stdio);
      case "terminal":
        return random.chance(0.05);
      case "options":
        return options(random);
      case "spec":
        return json(random, typeUrls.process, ociProcess(["true"]));
      case "resources":
        return random.chance(0.1) ? null : json(random, typeUrls.linuxResources, resources);
      case "rootfs":
        return mounts(random);
      case "checkpoint":
      case "parentCheckpoint":
        return random.chance(0.9) ? "" : random.pick(hostileStrings);
      case "path":
        return join(top, "checkpoint");
      default:
        return undefined;
    }
  };
}

/** What may be said to any request: a BerthError in words of ours. */
export function judge(method: string, request: object, error: unknown): void {
  assert.ok(error instanceof BerthError, `${method} fails with an error of the wire: ${error}`);
  const asked = JSON.stringify(request, (_key, value) => (typeof value === "bigint" ? String(value) : value));
  const what = `${method} ${asked.slice(0, 1500)}: ${error.kind}: ${error.message}`;
  assert.ok(!engineWords.test(error.message), `an answer that nobody has written: ${what}`);
  assert.notEqual(error.kind, "internal", what);
  assert.notEqual(error.kind, "unavailable", what);
  if (!/^wait/.test(method)) assert.notEqual(error.kind, "deadline-exceeded", `it hangs: ${what}`);
}

export const shimRequests: Target = {
  name: "shim-requests",
  inputs: 400,
  async run({ random, more }: Budget) {
    await using events = await startEventPeer(random);
    await using shim = await startShim("asan", null, events.path);
    const { top } = shim;
    const hints = hintsFor(shim);
    assert.equal(spawnSync("mkfifo", [join(top, "fifo")]).status, 0);
    // Nobody ever reads this one.
    assert.equal(spawnSync("mkfifo", [join(top, "lonely")]).status, 0);
    mkdirSync(join(top, "checkpoint"));
    const reader = openSync(join(top, "fifo"), constants.O_RDWR | constants.O_NONBLOCK);
    const flat = assertFlat(shim);
    let count = 0;
    const connection = await shim.connect();
    const v3 = createClient(nodeByteStream((await shim.connect()).socket)).service(TaskV3);
    const methods = Object.keys(Task.methods).filter((name) => name !== "shutdown");
    const clients = [connection.task, v3] as unknown as Record<string, Call>[];

    const one = async (method: string, request: object): Promise<void> => {
      count++;
      const client = random.pick(clients);
      try {
        await (client[method] as Call)(request, { timeoutMs: method === "wait" ? 30 : HANG_MS });
      } catch (error) {
        judge(method, request, error);
      }
    };
    const fresh = () => {
      for (const name of ["b1", "b2"]) {
        rmSync(join(top, name), { recursive: true, force: true });
        makeBundle(join(top, name), ociSpec({ args: ["true"] }));
        if (random.chance(0.5))
          writeFileSync(join(top, name, "config.json"), mutateJson(random, ociSpec({ args: ["true"] })));
      }
    };
    const clear = async () => {
      for (const id of ["c0", "c1", "c2", ...hostileStrings]) {
        const answer = await connection.task.state({ id }, { timeoutMs: HANG_MS }).catch(() => null);
        if (answer === null) continue;
        await one("kill", { id, signal: 9, all: false });
        if (answer.status !== 1)
          await connection.task.wait({ id }, { timeoutMs: HANG_MS }).catch((cause: unknown) => {
            throw new Error(`a killed container ends: ${JSON.stringify(answer)}; ${shim.log().slice(-3000)}`, {
              cause,
            });
          });
        await one("delete", { id });
      }
    };

    for (let round = 0; more(count); round++) {
      fresh();
      await one("create", { id: "c0", bundle: shim.bundle });
      // While there is a container it does nothing.
      await one("shutdown", randomMessage(random, ShutdownRequest as never, hints));
      if (random.chance(0.8)) await one("start", { id: "c0" });
      for (let left = 6; left > 0; left--) {
        const burst = Array.from({ length: random.int(1, 8) }, () => {
          const method = random.pick(methods);
          const { input } = (Task.methods as Record<string, { input: MessageType<object> }>)[method] as never;
          return one(method, randomMessage(random, input, hints));
        });
        await Promise.all(burst);
      }
      await shim.check();
      await clear();
      if (round % 20 === 19) flat.look();
    }
    await clear();
    closeSync(reader);
    connection.socket.destroy();
    assert.ok(events.requests() > 0, "its events have been sent");
    events.behave();
    await shim.end();
    return count;
  },
};
