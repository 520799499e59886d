// Further processes in a container.
import assert from "node:assert/strict";
import { isSet, typeUrls, unpackAny } from "@berth/proto";
import { ProcessDetails } from "@berth/proto/containerd/runc/v1";
import { alive, eventually, refused } from "./expect.ts";
import { area, scenario } from "./scenario.ts";

const sleeper = ["sleep", "1000"];

export const exec = area("exec", [
  scenario("exit codes", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    for (const status of [0, 1, 2, 77, 126, 127, 128, 255])
      assert.equal(await box.run(`e${status}`, "sh", "-c", `exit ${status}`), status);
  }),
  scenario("a life: state, wait, delete, with the same figures", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const pid = await box.execUp("e", ["sh", "-c", "exit 5"]);
    assert.equal(await box.wait("e"), 5);
    const state = await box.state("e");
    assert.deepEqual([state.id, state.pid, state.exitStatus], ["e", pid, 5]);
    const deleted = await box.deleteExec("e");
    assert.deepEqual([deleted.id, deleted.pid, deleted.exitStatus], ["e", pid, 5]);
    assert.deepEqual(deleted.exitedAt, state.exitedAt);
    assert.ok(isSet(deleted.exitedAt));
  }),
  ...[true, false].map((terminal) =>
    scenario(`${terminal ? "a" : "no"} terminal in the request, whatever the process says`, async (w) => {
      const box = await w.box(sleeper);
      await box.up();
      const { streams } = w.io(terminal);
      await box.execUp("e", ["sh", "-c", "test -t 1 && exit 7; exit 8"], {
        ...streams,
        terminal,
        specTerminal: !terminal,
      });
      assert.equal(await box.wait("e"), terminal ? 7 : 8);
    }),
  ),
  scenario("an id may be used again after delete", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    for (const status of [1, 2, 3]) assert.equal(await box.run("again", "sh", "-c", `exit ${status}`), status);
  }),
  scenario("the same id in two containers", async (w) => {
    const boxes = await Promise.all([w.box(sleeper), w.box(sleeper)]);
    await Promise.all(boxes.map((box) => box.up()));
    const statuses = boxes.map((box, n) => box.run("same", "sh", "-c", `exit ${n + 3}`));
    assert.deepEqual(await Promise.all(statuses), [3, 4]);
  }),
  scenario("many at the same time", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const statuses = Array.from({ length: 12 }, (_, n) => box.run(`e${n}`, "sh", "-c", `exit ${n}`));
    assert.deepEqual(await Promise.all(statuses), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  }),
  scenario("an exit before start returns is waited for", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.exec("e", ["true"]);
    const [, status] = await Promise.all([box.start("e"), box.wait("e")]);
    assert.equal(status, 0);
  }),
  scenario("in the container's namespaces: it sees init as process 1", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    assert.equal(await box.run("e", "sh", "-c", 'test "$(cat /proc/1/comm)" = sleep'), 0);
    assert.equal(await box.run("f", "sh", "-c", 'test "$(cat /proc/sys/kernel/hostname)" = test'), 0);
  }),
  scenario("a command that is not there", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.exec("e", ["/no/such"]);
    await refused(
      box.start("e"),
      "unknown",
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "/no/such": stat /no/such: no such file or directory: unknown',
    );
    assert.equal(await box.status("e"), "created");
    assert.equal((await box.deleteExec("e")).exitStatus, 0);
    assert.equal(await box.run("e", "true"), 0);
  }),
  scenario("a working directory that is not there", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const process = { args: ["true"], cwd: "/nowhere/at/all", env: [], user: { uid: 0, gid: 0 } };
    const spec = { typeUrl: typeUrls.process, value: new TextEncoder().encode(JSON.stringify(process)) };
    await w.tasks.exec({ containerId: box.id, execId: "e", spec }, w.to);
    await refused(
      box.start("e"),
      "unknown",
      /^unknown \| OCI runtime exec failed: .*chdir to cwd \("\/nowhere\/at\/all"\)/,
    );
    assert.equal(await box.status(), "running");
  }),
  scenario("deleted before it is started", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.exec("e", sleeper);
    const deleted = await box.deleteExec("e");
    assert.deepEqual([deleted.id, deleted.pid, deleted.exitStatus], ["e", 0, 0]);
    await refused(box.start("e"), "not-found", "process does not exist e: not found");
  }),
  scenario("killed, then waited for and deleted", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const pid = await box.execUp("e", sleeper);
    await box.kill(9, { execId: "e" });
    assert.equal(await box.wait("e"), 137);
    assert.equal((await box.deleteExec("e")).exitStatus, 137);
    assert.ok(!alive(pid));
    assert.equal(await box.status(), "running");
  }),
  scenario("it ends with init, and its exit comes first", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    for (const id of ["a", "b", "c"]) await box.execUp(id, sleeper);
    await box.kill(9);
    for (const id of ["a", "b", "c"]) assert.equal(await box.wait(id), 137);
    assert.equal(await box.wait(), 137);
    await w.events.until(box.id, "exit");
    const exits = w.events.story(box.id).filter((each) => each.startsWith("exit"));
    assert.deepEqual(exits.sort(), ["exit", "exit a", "exit b", "exit c"]);
  }),
  scenario("init is not deleted by the delete of an exec, nor its execs by their names", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.run("e", "true");
    await refused(box.deleteExec(box.id), "not-found", `process does not exist ${box.id}: not found`);
    assert.equal(await box.status(), "running");
  }),
  scenario("deleting the container takes execs along that were not deleted", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("stopped", ["true"]);
    await box.wait("stopped");
    await box.exec("created", ["true"]);
    await box.execUp("running", sleeper);
    await box.down();
    await refused(box.state("stopped"), "not-found", `task ${box.id} not found`);
  }),
  scenario("Pids names the execs", async (w) => {
    const box = await w.box(["sh", "-c", "sleep 1001 & sleep 1002"]);
    const init = await box.up();
    const pid = await box.execUp("named", sleeper);
    await eventually("all processes are there", async () => (await box.pids()).length === 3);
    const pids = await box.pids();
    const named = pids.filter(({ info }) => info !== null);
    assert.deepEqual(
      named.map(({ pid, info }) => [pid, info && unpackAny(ProcessDetails, info)?.execId]),
      [[pid, "named"]],
    );
    assert.ok(pids.some((each) => each.pid === init));
    assert.ok(pids.every((each) => alive(each.pid)));
  }),
  scenario("Pids of a created container is its init", async (w) => {
    const box = await w.box(sleeper);
    const pid = await box.create();
    assert.deepEqual(await box.pids(), [{ pid, info: null }]);
  }),
  scenario("an exec without a command", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.exec("e", []);
    await refused(box.start("e"), "unknown", /OCI runtime exec failed: /);
    assert.equal(await box.status(), "running");
  }),
  scenario("an orphan of an exec is reaped", async (w) => {
    const box = await w.box(["sh", "-c", "trap : TERM; sleep 1000"], { privatePids: false });
    await box.up();
    await box.run("e", "sh", "-c", "sleep 0.1 & true");
    await eventually("the orphan is gone", async () => (await box.pids()).length === 2);
    assert.ok((await box.pids()).every(({ pid }) => alive(pid)));
  }),
]);
