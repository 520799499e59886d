// What is told, in which order, with which fields.
import assert from "node:assert/strict";
import { isSet } from "@berth/proto";
import type { Timestamp } from "@berth/proto/google/protobuf";
import { area, scenario } from "./scenario.ts";

const sleeper = ["sleep", "1000"];
const storm = process.env.BERTH_LONG ? 10_000 : 120;

export const eventOrder = area("events", [
  scenario("of a life with an exec, in order", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.run("e", "true");
    await box.down();
    await w.events.until(box.id, "delete");
    const story = w.events.story(box.id);
    assert.deepEqual(story, ["create", "start", "exec-added e", "exec-started e", "exit e", "exit", "delete"]);
    assert.ok(w.events.of(box.id).every(({ stamped }) => stamped));
  }),
  scenario("their fields", async (w) => {
    const { streams } = w.io();
    const box = await w.box(["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]);
    const pid = await box.up(streams);
    const execPid = await box.execUp("e", ["sh", "-c", "exit 3"]);
    await w.events.until(box.id, "exit e");
    await box.kill(15);
    assert.equal(await box.wait(), 7);
    await box.delete();
    const at = async (what: string) => (await w.events.until(box.id, what)).event;
    const create = await at("create");
    assert.equal(create.bundle, w.bundle(box.id));
    assert.equal(create.pid, pid);
    assert.deepEqual(create.io, { ...streams, terminal: false });
    assert.deepEqual(create.rootfs, [{ target: "", ...w.rootfsMount }]);
    assert.deepEqual({ ...(await at("start")) }, { containerId: box.id, pid });
    assert.deepEqual({ ...(await at("exec-added e")) }, { containerId: box.id, execId: "e" });
    assert.deepEqual({ ...(await at("exec-started e")) }, { containerId: box.id, execId: "e", pid: execPid });
    const exits = [
      ["exit e", "e", execPid, 3],
      ["exit", box.id, pid, 7],
    ] as const;
    for (const [what, id, from, exitStatus] of exits) {
      const { exitedAt, ...rest } = await at(what);
      assert.deepEqual(rest, { containerId: box.id, id, pid: from, exitStatus });
      assert.ok(isSet(exitedAt as Timestamp));
    }
    const { exitedAt, ...deleted } = await at("delete");
    assert.deepEqual(deleted, { containerId: box.id, id: "", pid, exitStatus: 7 });
    assert.ok(isSet(exitedAt as Timestamp));
  }),
  scenario("of an exit right after start", async (w) => {
    for (let round = 0; round < 5; round++) {
      const box = await w.box(["true"]);
      await box.up();
      await box.wait();
      await box.delete();
      await w.events.until(box.id, "delete");
      assert.deepEqual(w.events.story(box.id), ["create", "start", "exit", "delete"]);
    }
  }),
  scenario("of an exec that cannot be started: none but that it was added", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.execUp("e", ["/no/such/command"]).catch(() => {});
    await box.run("f", "true");
    await w.events.until(box.id, "exit f");
    assert.deepEqual(w.events.story(box.id), [
      "create",
      "start",
      "exec-added e",
      "exec-added f",
      "exec-started f",
      "exit f",
    ]);
  }),
  scenario("of a create that fails: none of the task", async (w) => {
    const box = await w.box(["/no/such/command"]);
    await box.create().catch(() => {});
    const other = await w.box(["true"]);
    await other.up();
    await w.events.until(other.id, "exit");
    assert.deepEqual(
      w.events.story(box.id).filter((each) => each !== "delete" && each !== "exit"),
      [],
    );
  }),
  scenario(`a storm of ${storm} execs of true: each start has exactly one exit, in order`, async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    let next = 0;
    const worker = async () => {
      while (next < storm) {
        const id = `s${++next}`;
        assert.equal(await box.run(id, "true"), 0);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    await box.down();
    await w.events.until(box.id, "delete"); // the last of all
    const seen = new Map<string, string[]>();
    for (const { topic, event } of w.events.of(box.id)) {
      const id = String(topic === "/tasks/exit" ? event.id : event.execId);
      seen.set(id, [...(seen.get(id) ?? []), `${topic.slice(7)} ${event.pid ?? ""}`]);
    }
    for (let n = 1; n <= storm; n++) {
      const [added, started, exited, ...more] = seen.get(`s${n}`) ?? [];
      assert.deepEqual([added, more], ["exec-added ", []]);
      assert.equal(started?.replace("exec-started ", "exit "), exited);
    }
  }),
]);
