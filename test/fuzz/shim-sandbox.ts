// Every request of the sandbox API with random fields, mixed with those of tasks; a shim keeps one sandbox, so that
// each round has a shim of its own, which then ends with its sandbox, or is told to.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type MessageType, packAny, TaskV3 } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Sandbox } from "@berth/proto/containerd/runtime/sandbox/v1";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { alive, until } from "../shim/harness.ts";
import { startShim } from "./live-shim.ts";
import { mutateBytes } from "./mutate.ts";
import { podOptions } from "./pod-options.ts";
import type { Random } from "./random.ts";
import { type Hints, hostileStrings, randomMessage } from "./random-message.ts";
import { HANG_MS, hintsFor, judge } from "./shim-requests.ts";
import type { Budget, Target } from "./target.ts";

type Call = (request: object, options: { timeoutMs: number }) => Promise<object>;

const sandboxHints =
  (bundle: string): Hints =>
  (field, random) => {
    switch (field) {
      case "sandboxId":
        return random.chance(0.85) ? "pod" : random.pick(hostileStrings);
      case "bundlePath":
        return random.pick([bundle, bundle, bundle, "", "relative", `${bundle}/none`, "/dev/null"]);
      case "netnsPath":
        return random.pick(["", "", "/proc/self/ns/net", "/proc/self/ns/uts", "/dev/null", "/none", "a\0b"]);
      case "options": {
        const whole = packAny(...podOptions(random));
        return random.pick([null, whole, whole, { ...whole, value: mutateBytes(random, whole.value) }]);
      }
      case "timeoutSecs":
        return random.pick([0, 1, 10, 0xffff, 0x7fffffff, 0xffffffff]);
      default:
        return undefined;
    }
  };

export const shimSandbox: Target = {
  name: "shim-sandbox",
  inputs: 100,
  async run({ random, more }: Budget) {
    let count = 0;
    while (more(count)) count += await round(random);
    return count;
  },
};

async function round(random: Random): Promise<number> {
  await using shim = await startShim();
  const { top, bundle } = shim;
  assert.equal(spawnSync("mkfifo", [join(top, "fifo"), join(top, "lonely")]).status, 0);
  const { socket } = await shim.connect();
  const client = createClient(nodeByteStream(socket));
  const [task, sandbox] = [client.service(TaskV3), client.service(Sandbox)] as unknown as Record<string, Call>[];
  const taskHints = hintsFor(shim);
  let count = 0;
  const say = async (to: Record<string, Call> | undefined, method: string, request: object): Promise<void> => {
    count++;
    try {
      await to?.[method]?.(request, { timeoutMs: /^wait/.test(method) ? 30 : HANG_MS });
    } catch (error) {
      judge(method, request, error);
    }
  };
  // Shutdown ends the shim, and has its place at the end.
  const methodsOf = ({ methods }: { methods: object }) =>
    Object.entries(methods as Record<string, { input: MessageType<object> }>).filter(
      ([name]) => !/^shutdown/.test(name),
    );
  const [sandboxMethods, taskMethods] = [methodsOf(Sandbox), methodsOf(TaskV3)];
  const ofSandbox = () => {
    const [name, { input }] = random.pick(sandboxMethods);
    // It comes to its end once: most of the time that is not yet.
    if (name === "stopSandbox" && random.chance(0.7)) return ofTask();
    return say(sandbox, name, randomMessage(random, input, sandboxHints(bundle)));
  };
  const ofTask = () => {
    const [name, { input }] = random.pick(taskMethods);
    return say(task, name, randomMessage(random, input, taskHints));
  };

  const pod = { sandboxId: "pod", bundlePath: bundle, options: packAny(...podOptions(random)) };
  if (random.chance(0.8)) await say(sandbox, "createSandbox", pod);
  const options = packAny(Options, { binaryName: join(top, "runtime"), root: join(top, "runc") });
  if (random.chance(0.7)) await say(task, "create", { id: "c0", bundle, options });
  for (let left = 10; left > 0; left--)
    await Promise.all(Array.from({ length: random.int(1, 8) }, () => (random.chance(0.7) ? ofSandbox() : ofTask())));
  await shim.check();

  for (const id of ["c0", "c1", "c2", ...hostileStrings]) {
    const known = await task?.state?.({ id }, { timeoutMs: HANG_MS }).catch(() => null);
    if (!known) continue;
    await say(task, "kill", { id, signal: 9 });
    if ((known as { status: number }).status !== 1) await task?.wait?.({ id }, { timeoutMs: HANG_MS });
    await say(task, "delete", { id });
  }
  const kept = await sandbox?.pingSandbox?.({ sandboxId: "pod" }, { timeoutMs: HANG_MS }).then(
    () => true,
    () => false,
  );
  if (kept && random.chance(0.7)) {
    await say(sandbox, "shutdownSandbox", { sandboxId: "pod" });
    socket.destroy();
    await until(() => !alive(shim.pid));
    assert.equal(shim.reports(), "", "nothing has leaked");
  } else {
    await shim.end();
  }
  return count;
}
