// pause and resume, and what may be asked in between.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { eventually, outcomeOf } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import type { World } from "./world.ts";

const sleeper = ["sleep", "1000"];
const freezerOf = (w: World, id: string) =>
  readFileSync(`/sys/fs/cgroup/freezer/${w.stage.namespace}/${id}/freezer.state`, "utf8").trim();

export const freezing = area("freezing", [
  scenario("paused and resumed, as the cgroup says", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    for (let round = 0; round < 2; round++) {
      await box.pause();
      assert.deepEqual([await box.status(), freezerOf(w, box.id)], ["paused", "FROZEN"]);
      await box.resume();
      assert.deepEqual([await box.status(), freezerOf(w, box.id)], ["running", "THAWED"]);
    }
    await w.events.until(box.id, "resumed");
    assert.deepEqual(w.events.story(box.id), ["create", "start", "paused", "resumed", "paused", "resumed"]);
  }),
  scenario("nothing happens in it while it is paused", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sh", "-c", "while :; do echo x; sleep 0.01; done"]);
    await box.up(streams);
    await eventually("it prints", () => out.text().length > 4);
    await box.pause();
    const usage = () => readFileSync(`/sys/fs/cgroup/cpuacct/${w.stage.namespace}/${box.id}/cpuacct.usage`, "utf8");
    const before = usage();
    for (let call = 0; call < 20; call++) assert.equal(await box.status(), "paused");
    assert.equal(usage(), before);
    const printed = out.text().length;
    await box.resume();
    await eventually("it prints again", () => out.text().length > printed + 100);
  }),
  scenario("a signal waits for resume", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(["sh", "-c", "trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done"]);
    await box.up(streams);
    await eventually("it is ready", () => out.text() === "ready\n");
    await box.pause();
    await box.kill(15);
    assert.equal(await box.status(), "paused");
    await box.resume();
    assert.equal(await box.wait(), 8);
  }),
  scenario("SIGKILL ends a paused container after resume", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.pause();
    await box.kill(9);
    // Version 1 of cgroups keeps it frozen; where it has ended meanwhile there is nothing to resume.
    if ((await box.status()) === "paused") await outcomeOf(box.resume());
    assert.equal(await box.wait(), 137);
    await box.delete();
  }),
  scenario("an exec goes on after resume", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", ["sh", "-c", "sleep 0.3; exit 5"]);
    await box.pause();
    assert.equal(await box.status("e"), "paused");
    await box.resume();
    assert.equal(await box.wait("e"), 5);
  }),
  scenario("figures and pids can be had while it is paused", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.pause();
    assert.equal((await box.pids()).length, 1);
    assert.equal((await w.tasks.metrics({ filters: [`id==${box.id}`] }, w.to)).metrics.length, 1);
  }),
  scenario("pauses at the same time: one succeeds", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const results = await Promise.allSettled([box.pause(), box.pause()]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    assert.equal(await box.status(), "paused");
  }),
]);
