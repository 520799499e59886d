// Signals, to one process and to all of a container.
import assert from "node:assert/strict";
import { alive, eventually, refused } from "./expect.ts";
import { area, scenario } from "./scenario.ts";

const sleeper = ["sleep", "1000"];
/** Says which signal it has got by its exit code. */
const trapping = (signal: string, status: number) => [
  "sh",
  "-c",
  `trap 'exit ${status}' ${signal}; echo ready; while :; do sleep 0.05; done`,
];

export const signals = area("signals", [
  ...[
    [1, "HUP"],
    [2, "INT"],
    [3, "QUIT"],
    [10, "USR1"],
    [12, "USR2"],
    [15, "TERM"],
  ].map(([signal, name]) =>
    scenario(`SIG${name} arrives at init, which decides on its exit code`, async (w) => {
      const { out, streams } = w.io();
      const box = await w.box(trapping(String(name), 40 + Number(signal)));
      await box.up(streams);
      await eventually("it is ready", () => out.text().includes("ready"));
      await box.kill(Number(signal));
      assert.equal(await box.wait(), 40 + Number(signal));
    }),
  ),
  scenario("an exec that is ended by a signal: 128 + its number", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    for (const signal of [1, 2, 6, 9, 10, 14, 15]) {
      await box.execUp(`e${signal}`, sleeper);
      await box.kill(signal, { execId: `e${signal}` });
      assert.equal(await box.wait(`e${signal}`), 128 + signal);
    }
  }),
  scenario("a real-time signal", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", sleeper);
    await box.kill(34, { execId: "e" });
    assert.equal(await box.wait("e"), 128 + 34);
  }),
  scenario("a process that kills itself", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    assert.equal(await box.run("e", "sh", "-c", "kill -SEGV $$"), 128 + 11);
  }),
  scenario("SIGSTOP and SIGCONT are no exits", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", sleeper);
    await box.kill(19, { execId: "e" });
    assert.equal(await box.status("e"), "running");
    await box.kill(18, { execId: "e" });
    await box.kill(15, { execId: "e" });
    assert.equal(await box.wait("e"), 143);
    assert.ok(w.events.story(box.id).filter((each) => each.startsWith("exit")).length <= 1);
  }),
  scenario("all: execs and their children get it too", async (w) => {
    // Init stays until it is told twice: with its end all others are killed.
    const script = "trap 'got=3' USR1; trap 'exit $got' TERM; got=9; while :; do sleep 0.05; done";
    const box = await w.box(["sh", "-c", script]);
    await box.up();
    await eventually("init is at its loop", async () => (await box.pids()).length >= 2);
    await box.execUp("e", ["sh", "-c", "sleep 1000 & sleep 1000"]);
    await eventually("all are there", async () => (await box.pids()).length >= 4);
    await box.kill(10, { all: true });
    assert.equal(await box.wait("e"), 138);
    await box.kill(15);
    assert.equal(await box.wait(), 3);
  }),
  scenario("a signal to a finished container", async (w) => {
    const box = await w.box(["true"]);
    await box.up();
    await box.wait();
    for (const signal of [0, 9, 15])
      await refused(box.kill(signal), "not-found", "process already finished: not found");
  }),
  scenario("a signal to a finished exec", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", ["true"]);
    await box.wait("e");
    await refused(box.kill(9, { execId: "e" }), "not-found", "process already finished: not found");
  }),
  scenario("a signal with an absurd number", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await refused(box.kill(1234), "unknown", /invalid argument|kill/);
    assert.equal(await box.status(), "running");
  }),
  scenario("an absurd number to an exec", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", sleeper);
    await refused(box.kill(1234, { execId: "e" }), "unknown", /invalid argument|kill/);
    assert.equal(await box.status("e"), "running");
  }),
  scenario("many kills at the same time", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => box.kill(9)));
    assert.ok(outcomes.some(({ status }) => status === "fulfilled"));
    assert.equal(await box.wait(), 137);
  }),
  scenario("host pids: everything ends with init", async (w) => {
    const box = await w.box(["sh", "-c", "sleep 1003 & sleep 1003 & sleep 1003"], { privatePids: false });
    await box.up();
    await box.execUp("e", ["sh", "-c", "sleep 1003 & sleep 1003"]);
    await eventually("all are there", async () => (await box.pids()).length === 5);
    const pids = (await box.pids()).map(({ pid }) => pid);
    await box.kill(9);
    assert.equal(await box.wait(), 137);
    await eventually("all have ended", () => pids.every((pid) => !alive(pid)));
    await box.wait("e");
    await box.delete();
  }),
  scenario("host pids: an init that exits by itself takes all along", async (w) => {
    const args = ["sh", "-c", "trap 'exit 6' USR1; sleep 1004 & sleep 1004 & wait"];
    const box = await w.box(args, { privatePids: false });
    await box.up();
    await eventually("all are there", async () => (await box.pids()).length === 3);
    const pids = (await box.pids()).map(({ pid }) => pid);
    // It has set its trap: that comes before its children.
    await box.kill(10);
    assert.equal(await box.wait(), 6);
    await eventually("all have ended", () => pids.every((pid) => !alive(pid)));
  }),
]);
