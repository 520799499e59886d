// The daemon is killed, and the containers go on.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { processesNaming } from "../support/leftovers.ts";
import { recordEvents } from "./event-recorder.ts";
import { alive, eventually, outcomeOf } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import type { World } from "./world.ts";

const sleeper = ["sleep", "1000"];

async function killDaemon(w: World): Promise<void> {
  w.events[Symbol.dispose]();
  await w.stage.daemon.end();
}

async function comeBack(w: World): Promise<void> {
  await w.stage.daemon.restart();
  await eventually("the daemon answers", async () => (await outcomeOf(w.tasks.list({}, w.to))) === "ok");
  w.stage.recorder = await recordEvents(w.stage.connection, w.stage.namespace);
}

export const restarts = area(
  "restarts",
  [
    scenario("running containers and execs go on, and can be used", async (w) => {
      const box = await w.box(sleeper);
      const pid = await box.up();
      const execPid = await box.execUp("e", sleeper);
      await killDaemon(w);
      assert.ok(alive(pid) && alive(execPid));
      await comeBack(w);
      assert.deepEqual(
        [(await box.state()).pid, await box.status(), await box.status("e")],
        [pid, "running", "running"],
      );
      assert.equal(await box.run("f", "sh", "-c", "exit 4"), 4);
      await box.kill(9, { execId: "e" });
      assert.equal(await box.wait("e"), 137);
      await box.down();
      await w.events.until(box.id, "delete");
    }),
    scenario("exits that happen meanwhile are there afterwards", async (w) => {
      const box = await w.box(["sh", "-c", "sleep 0.5; exit 7"]);
      const pid = await box.up();
      const other = await w.box(sleeper);
      await other.up();
      await other.execUp("e", ["sh", "-c", "sleep 0.5; exit 8"]);
      await killDaemon(w);
      await eventually("it has ended", () => !alive(pid));
      await comeBack(w);
      assert.equal(await box.wait(), 7);
      assert.equal(await box.status(), "stopped");
      assert.equal((await box.delete()).exitStatus, 7);
      assert.equal(await other.wait("e"), 8);
      assert.equal((await other.deleteExec("e")).exitStatus, 8);
    }),
    scenario("created and paused containers stay so", async (w) => {
      const [created, paused] = await Promise.all([w.box(["sh", "-c", "exit 3"]), w.box(sleeper)]);
      await created.create();
      await paused.up();
      await paused.pause();
      await killDaemon(w);
      await comeBack(w);
      assert.deepEqual([await created.status(), await paused.status()], ["created", "paused"]);
      await created.start();
      assert.equal(await created.wait(), 3);
      await paused.resume();
      assert.equal(await paused.run("e", "true"), 0);
    }),
    scenario("output goes on into its file", async (w) => {
      const log = join(w.dir, "log");
      const box = await w.box(["sh", "-c", "i=0; while test $i -lt 60; do i=$((i + 1)); echo $i; sleep 0.02; done"]);
      await box.up({ stdout: `file://${log}`, stderr: `file://${log}` });
      await eventually("it writes", () => existsSync(log) && readFileSync(log, "utf8").length > 5);
      await killDaemon(w);
      await comeBack(w);
      assert.equal(await box.wait(), 0);
      await box.delete();
      assert.equal(readFileSync(log, "utf8"), `${Array.from({ length: 60 }, (_, n) => n + 1).join("\n")}\n`);
    }),
    scenario("a shim that is killed: its container is cleaned up, and both are told", async (w) => {
      const box = await w.box(sleeper);
      const pid = await box.up();
      const [shim] = processesNaming(` ${box.id} `).filter(({ command }) => command.startsWith(w.pair.shimPath));
      assert.ok(shim);
      process.kill(shim.pid, "SIGKILL");
      await w.events.until(box.id, "exit");
      await w.events.until(box.id, "delete");
      await eventually("its process ends", () => !alive(pid));
      await eventually("the task is gone", async () => (await outcomeOf(box.state())).startsWith("not-found"));
      await eventually("the bundle is gone", () => !existsSync(w.bundle(box.id)));
      assert.equal((await w.events.until(box.id, "exit")).event.exitStatus, 137);
    }),
    scenario("a shim that is killed while the daemon is away", async (w) => {
      const box = await w.box(sleeper);
      const pid = await box.up();
      const [shim] = processesNaming(` ${box.id} `).filter(({ command }) => command.startsWith(w.pair.shimPath));
      assert.ok(shim);
      await killDaemon(w);
      process.kill(shim.pid, "SIGKILL");
      await comeBack(w);
      await eventually("its process ends", () => !alive(pid));
      await eventually("the task is gone", async () => (await outcomeOf(box.state())).startsWith("not-found"));
      await eventually("the bundle is gone", () => !existsSync(w.bundle(box.id)));
    }),
  ],
  { alone: true },
);
