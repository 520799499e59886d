// Wrong calls to a shim, ours and containerd's: code and text, and that a container beside them notices nothing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { ErrorKind } from "@berth/base";
import { outcomeOf } from "../scenarios/expect.ts";
import { goShim } from "../support/berthd.ts";
import { mountsBelow } from "../support/leftovers.ts";
import { badCalls } from "./bad-calls.ts";
import { type Daemon, openDaemon, reader, type Shim, shimBinary, until } from "./harness.ts";

type Outcome = "ok" | readonly [ErrorKind, RegExp];

const noContainer: Outcome = ["not-found", /^container not created: not found$/];
const noExec: Outcome = ["not-found", /^process does not exist ghost: not found$/];
const cannotOpen: Outcome = ["unknown", /\/no\/such\/out"?: no such file or directory$/];
const noJson: Outcome = ["unknown", /^invalid character /];
const create = "OCI runtime create failed: runc create failed:";

/** Without the `: unknown` that may follow: clients of a daemon see it once, whether a shim says it or not. */
const expected: Readonly<Record<string, Outcome>> = {
  "connect to an unknown container": "ok",
  "shutdown for an unknown container": "ok",
  "start of what runs": ["unknown", /^cannot start a running process$/],
  "delete of what runs": ["unknown", /^cannot delete a running process$/],
  "resume of what runs": ["unknown", /^cannot resume a running process$/],
  "create of what is there": ["unknown", /^OCI runtime create failed: .* container with given ID already exists$/],
  "kill with a signal that is none": ["unknown", /^unknown error after kill: .*invalid argument\n?$/],
  "exec with a specification that is no JSON": noJson,
  "exec with a log that cannot be opened": cannotOpen,
  "exec with a terminal and a log that cannot be opened": cannotOpen,
  "update with garbage": noJson,
  "checkpoint with garbage for options": ["unknown", /wire ?type 7/i],
  "create without a config.json": ["unknown", RegExp(`^${create} JSON specification file config.json not found$`)],
  "create with a config.json that is no JSON": ["unknown", RegExp(`^${create} invalid character 'o' in literal null`)],
  "create with an empty config.json": ["unknown", RegExp(`^${create} EOF$`)],
  "create in a bundle that is not there": ["not-found", /\/no\/such\/bundle/],
  "create with options of an unknown type": ["unknown", /^type with url test\.Unknown: not found$/],
  "create with options that are garbage": ["unknown", /wire ?type 7/i],
  "create with a rootfs that is not there": [
    "unknown",
    /^failed to mount rootfs component &{bind \/no\/such \[rbind\]}: no such file or directory$/,
  ],
  "create of a user who cannot read the rootfs": [
    "unknown",
    RegExp(`^${create} unable to start container process: exec: "true": executable file not found in \\$PATH$`),
  ],
  "create with a log that cannot be opened": cannotOpen,
  "a request that is another message": ["internal", /^ttrpc: error unmarshalling payload: .*wire ?type/i],
  "a method that is not there": ["unimplemented", /^method Fly$/],
  "a service that is not there": ["unimplemented", /^service test\.Nothing$/],
  "a request of more than 4 MiB": [
    "resource-exhausted",
    /^message length 4194305 exceed maximum message size of 4194304$/,
  ],
};

/** Where containerd's shim says something else, which no client of a daemon sees: the daemon looks first. */
const theirs: Readonly<Record<string, Outcome>> = {
  "closeIO of an unknown exec": ["unknown", /^process does not exist ghost: not found$/],
};
const ours: Readonly<Record<string, Outcome>> = {
  "create of what is there": ["already-exists", /^container "c": already exists$/],
};

function outcomeFor(title: string, own: Readonly<Record<string, Outcome>>): Outcome {
  const found = own[title] ?? expected[title];
  if (found !== undefined) return found;
  return /unknown exec$/.test(title) ? noExec : noContainer;
}

function check(title: string, outcome: string, wanted: Outcome): void {
  if (wanted === "ok") {
    assert.equal(outcome, "ok", title);
    return;
  }
  const [kind = "", message = ""] = outcome.split(/ \| (.*)/s);
  assert.equal(kind, wanted[0], `${title}: ${outcome}`);
  assert.match(message.replace(/: unknown$/, ""), wanted[1], title);
}

for (const [name, binary, own] of [
  ["this shim", shimBinary, ours],
  ["containerd's shim", goShim, theirs],
] as const)
  describe(`wrong calls to ${name}`, { timeout: 120_000 }, () => {
    let daemon: Daemon;
    let shim: Shim;
    let input = -1;
    let log = -1;
    let output: ReturnType<typeof reader>;
    let errors: ReturnType<typeof reader>;
    let made = 0;
    const newId = () => `n${++made}`;

    before(async () => {
      daemon = await openDaemon();
      const bundle = join(daemon.top, "t", daemon.namespace, "c");
      mkdirSync(bundle, { recursive: true });
      assert.equal(spawnSync("mkfifo", [join(bundle, "log")]).status, 0);
      log = openSync(join(bundle, "log"), constants.O_RDWR | constants.O_NONBLOCK);
      const [stdin, stdout, stderr] = ["in", "out", "err"].map((end) => daemon.fifo(end)) as [string, string, string];
      // containerd's shim waits for a reader of both.
      [output, errors] = [reader(stdout), reader(stderr)];
      input = openSync(stdin, constants.O_RDWR);
      shim = await daemon.start("c", { args: ["cat"] }, { binary });
      await shim.create({ stdin, stdout, stderr });
      await shim.task.start({ id: "c" });
    });
    after(async () => {
      for (const each of [output, errors]) each.close();
      for (const fd of [input, log]) closeSync(fd);
      await daemon[Symbol.asyncDispose]();
    });

    /** The container beside goes on: it is as it was, and passes on what it is sent. */
    const unharmed = async (): Promise<void> => {
      const line = `still here after ${newId()}\n`;
      writeSync(input, line);
      await until(() => output.text().endsWith(line));
      const { pid, status } = await shim.task.state({ id: "c" });
      assert.deepEqual([pid > 0, status], [true, 2]);
      assert.deepEqual(
        daemon.story("c").filter((event) => !event.startsWith("exec-added")),
        ["create", "start"],
      );
      const rootfs = join(shim.bundle, "rootfs");
      const mounts = mountsBelow(daemon.top);
      assert.deepEqual(
        mounts.filter((point) => point !== rootfs),
        [],
        "no other mount is left",
      );
      // A second create of it takes it away under containerd's shim.
      if (own === ours) assert.deepEqual(mounts, [rootfs]);
    };

    for (const [title, call] of Object.entries(badCalls))
      it(title, async () => {
        check(title, await outcomeOf(call({ daemon, shim, newId })), outcomeFor(title, own));
        await unharmed();
      });

    // In containerd's shim calls for one container read each other's log of the runtime.
    it("all of them at once", { skip: own !== ours }, async () => {
      const calls = Object.entries(badCalls).map(async ([title, call]) =>
        check(title, await outcomeOf(call({ daemon, shim, newId })), outcomeFor(title, own)),
      );
      await Promise.all(calls);
      await unharmed();
    });

    it("leave a container that comes to its end as any other", async () => {
      await shim.task.kill({ id: "c", signal: 9 });
      assert.equal((await shim.task.wait({ id: "c" })).exitStatus, 137);
      await shim.task.delete({ id: "c" });
      await daemon.event("/tasks/delete");
      const story = daemon.story("c").filter((event) => !event.startsWith("exec-added"));
      assert.deepEqual(story, ["create", "start", "exit", "delete"]);
      const ending = shim.task.shutdown({ id: "c" });
      // containerd's shim may be gone before its answer has left.
      await (own === ours ? ending : ending.catch((error: Error) => assert.equal(error.message, "ttrpc: closed")));
    });
  });
