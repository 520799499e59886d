// Several containers kept by one shim.
import assert from "node:assert/strict";
import { processesNaming } from "../support/leftovers.ts";
import { eventually } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import type { World } from "./world.ts";

const sleeper = ["sleep", "1000"];
const shimsOf = (w: World, id: string) =>
  processesNaming(` ${id} `).filter(({ command }) => command.startsWith(w.pair.shimPath));

/** Containers of one group; the group's name is the first one's id, as in a pod. */
async function groupOf(w: World, size: number, annotation = "io.containerd.runc.v2.group") {
  const ids = Array.from({ length: size }, () => w.newId());
  const annotations = { [annotation]: ids[0] ?? "" };
  const boxes = [];
  for (const id of ids) {
    const box = await w.box(sleeper, { id, annotations });
    await box.up();
    boxes.push(box);
  }
  return boxes;
}

export const groups = area("groups", [
  scenario("the second joins the first one's shim", async (w) => {
    const [one, two] = await groupOf(w, 2);
    assert.ok(one && two);
    assert.equal(shimsOf(w, one.id).length, 1);
    assert.equal(shimsOf(w, two.id).length, 0);
    assert.deepEqual([await one.status(), await two.status()], ["running", "running"]);
  }),
  scenario("a pod's annotation is a group too", async (w) => {
    const [one, two] = await groupOf(w, 2, "io.kubernetes.cri.sandbox-id");
    assert.ok(one && two);
    assert.equal(shimsOf(w, two.id).length, 0);
  }),
  scenario("the first goes, the others stay", async (w) => {
    const [one, two, three] = await groupOf(w, 3);
    assert.ok(one && two && three);
    await one.down();
    assert.deepEqual([await two.status(), await three.status()], ["running", "running"]);
    assert.equal(await two.run("e", "sh", "-c", "exit 6"), 6);
    await three.down();
    assert.equal(await two.status(), "running");
    await two.down();
    await eventually("the shim ends", () => shimsOf(w, one.id).length === 0);
  }),
  scenario("the last goes first", async (w) => {
    const [one, two] = await groupOf(w, 2);
    assert.ok(one && two);
    await two.down();
    assert.equal(await one.run("e", "true"), 0);
    assert.equal(shimsOf(w, one.id).length, 1);
    await one.down();
    await eventually("the shim ends", () => shimsOf(w, one.id).length === 0);
  }),
  scenario("one may come again", async (w) => {
    const [one, two] = await groupOf(w, 2);
    assert.ok(one && two);
    await two.down();
    await two.up();
    assert.equal(await two.status(), "running");
    assert.equal(shimsOf(w, two.id).length, 0);
    await two.down();
  }),
  scenario("each has its own execs, signals and events", async (w) => {
    const [one, two] = await groupOf(w, 2);
    assert.ok(one && two);
    await Promise.all([one.execUp("e", sleeper), two.execUp("e", sleeper)]);
    await one.kill(9, { execId: "e" });
    assert.equal(await one.wait("e"), 137);
    assert.equal(await two.status("e"), "running");
    await w.events.until(one.id, "exit e");
    assert.ok(!w.events.story(two.id).includes("exit e"));
    assert.equal((await two.pids()).length, 2);
  }),
]);
