// The supervisor is killed at random moments; whoever comes next finds each container whole or gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { isNotFound } from "@berth/base";
import type { Task } from "@berth/runtime";
import { until } from "../support/until.ts";
import { openHost } from "./harness.ts";

const shims = [
  ["containerd's own shim", "/usr/bin/containerd-shim-runc-v2"],
  ["the berth shim", resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2")],
] as const;
const KILLS = Number(process.env.KILLS ?? 12);

for (const [name, shim] of shims) {
  const skip = process.getuid?.() !== 0 ? "needs root" : existsSync(shim) ? false : `${shim} is not there`;
  it(`killed ${KILLS} times with ${name}, leaves each container whole or gone`, {
    skip,
    timeout: 300_000,
  }, async () => {
    await using host = await openHost({ shim });
    const { directory, namespace } = host;
    await host.leave();
    for (let round = 0; round < KILLS; round++) {
      const last = await runAndKill([shim, directory, namespace, `k${round}`], 20 + Math.random() * 200);
      await host.comeBack();
      const { tasks } = await host.runtime.tasks.list(namespace);
      const found = tasks.map(({ id }) => id);
      for (const [id, step] of last) {
        if (step === "created" || step === "started") assert.ok(found.includes(id), `${id} was ${step} and is gone`);
        if (step === "deleted") assert.ok(!found.includes(id), `${id} was deleted and is back`);
      }
      for (const task of tasks) {
        const status = await statusOf(task);
        if (status === null) {
          assert.equal(last.get(task.id), "deleting", `${task.id} is gone`);
          await until(() => host.runtime.tasks.known(namespace, task.id) === null);
          continue;
        }
        assert.ok(["created", "running", "stopped"].includes(status), `${task.id} is ${status}`);
        if (status !== "stopped") {
          await task.kill("", 9, false);
          await task.wait("", AbortSignal.timeout(20_000));
        }
        await host.runtime.tasks.delete(namespace, task.id);
      }
      await host.assertNothingLeft();
      await host.leave();
    }
  });
}

/** Null where its delete went on in the shim after the supervisor that had asked for it was killed. */
async function statusOf(task: Task): Promise<string | null> {
  try {
    return (await task.state("")).status;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** The last step that was announced of each container. */
async function runAndKill(args: readonly string[], ms: number): Promise<Map<string, string>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "victim.ts"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  // The clock runs from the first step: starting Node takes longer than most of them.
  child.stdout.on("data", (chunk) => {
    if (text === "") setTimeout(() => child.kill("SIGKILL"), ms);
    text += chunk;
  });
  await once(child, "close");
  const lines = text.split("\n").slice(0, -1);
  return new Map(lines.map((line) => line.split(" ").reverse() as [string, string]));
}
