// Checkpoint and restore with criu.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { packAny } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import { eventually } from "../scenarios/expect.ts";
import { pairs } from "../scenarios/pairs.ts";
import { openStage, openWorld, type Stage, type World } from "../scenarios/world.ts";
import { onlyInVm } from "./in-vm.ts";

const script = "i=0; while :; do i=$((i+1)); echo $i >/etc/new; mv /etc/new /etc/count; sleep 0.05; done";

for (const pair of pairs.filter(({ name }) => name !== "berthd + go shim"))
  describe(`${pair.name}: checkpoints`, onlyInVm, () => {
    let stage: Stage;
    before(async () => {
      stage = await openStage(pair, `cp${pairs.indexOf(pair)}`);
    });
    after(() => stage[Symbol.asyncDispose]());

    /** Containers that count in a directory of this machine. */
    const counting = (w: World) => {
      const shared = join(w.dir, "shared");
      mkdirSync(shared);
      const mount = { destination: "/etc", type: "bind", source: shared, options: ["rbind", "rw"] };
      const change = (spec: { mounts: object[] }) => spec.mounts.push(mount);
      const file = join(shared, "count");
      return {
        count: () => (existsSync(file) ? Number(readFileSync(file, "utf8")) : 0),
        box: () => w.box(["sh", "-c", script], { change: change as never }),
      };
    };

    it("a container goes on where it was, from content", async () => {
      await using w = openWorld(stage);
      const { count, box } = counting(w);
      const first = await box();
      await first.up();
      await eventually("ten rounds", () => count() >= 10);
      const options = packAny(CheckpointOptions, { exit: true });
      const { descriptors } = await w.tasks.checkpoint({ containerId: first.id, options }, w.to);
      await first.wait();
      await first.delete();
      const before = count();

      const second = await box();
      const checkpoint = descriptors.find(({ mediaType }) => mediaType.endsWith(".criu.tar")) ?? null;
      assert.ok(checkpoint !== null, descriptors.map(({ mediaType }) => mediaType).join());
      assert.equal(await second.create({ checkpoint }), 0);
      assert.ok((await second.start()) > 0);
      await eventually("more rounds", () => count() > before);
      assert.ok(before >= 10 && count() < before + 300, "it has not begun anew");
      assert.equal(await second.run("e1", "true"), 0);
      assert.equal((await second.down()).exitStatus, 137);
    });

    // containerd looks for the path in the options of a runtime that it knows by name alone.
    if (pair.runtime === "io.containerd.runc.v2")
      it("a container goes on where it was, from a directory, and one that was left running goes on too", async () => {
        await using w = openWorld(stage);
        const { count, box } = counting(w);
        const [imagePath, workPath] = [join(w.dir, "image"), join(w.dir, "work")];
        for (const path of [imagePath, workPath]) mkdirSync(path);
        const first = await box();
        await first.up();
        await eventually("ten rounds", () => count() >= 10);
        await first.checkpoint(packAny(CheckpointOptions, { imagePath, workPath }));
        assert.equal(await first.status(), "running");
        const before = count();
        await eventually("more rounds", () => count() > before);
        await first.down();

        const second = await box();
        const options = packAny(Options, { criuImagePath: imagePath, criuWorkPath: workPath });
        assert.equal(await second.create({ options }), 0);
        await second.start();
        assert.ok(existsSync(join(workPath, "restore.log")));
        const restored = count();
        await eventually("rounds of the restored one", () => count() > restored);
        await second.down();
      });

    if (pair.runtime === "io.containerd.runc.v2")
      it("a checkpoint that cannot be taken is refused, and the container goes on", async () => {
        await using w = openWorld(stage);
        const { count, box } = counting(w);
        const first = await box();
        await first.up();
        const options = packAny(CheckpointOptions, { exit: true, imagePath: "/proc/nowhere" });
        await assert.rejects(first.checkpoint(options));
        const before = count();
        await eventually("more rounds", () => count() > before);
        assert.equal(await first.status(), "running");
      });
  });
