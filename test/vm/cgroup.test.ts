// cgroup v2 as the kernel has it: every figure, limit, freeze and kill, on the original first.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { isType, packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Metrics } from "@berth/proto/io/containerd/cgroups/v2";
import { eventually } from "../scenarios/expect.ts";
import { pairs } from "../scenarios/pairs.ts";
import { openStage, openWorld, type Stage, type World } from "../scenarios/world.ts";
import { processesNaming } from "../support/leftovers.ts";
import { cgroupOf, onlyInVm, read, unitProperty } from "./in-vm.ts";
import { figuresOf, readFigures } from "./metrics-figures.ts";

const MIB = 1 << 20;
const sleeper = ["sleep", "100000"];

for (const pair of pairs.filter(({ name }) => name !== "berthd + go shim"))
  describe(`${pair.name} on cgroup v2`, onlyInVm, () => {
    let stage: Stage;
    before(async () => {
      stage = await openStage(pair, `vm${pairs.indexOf(pair)}`);
    });
    after(() => stage[Symbol.asyncDispose]());

    const metricsOf = async (w: World, id: string): Promise<Metrics> => {
      const { metrics } = await w.tasks.metrics({ filters: [`id==${id}`] }, w.to);
      const data = metrics[0]?.data ?? null;
      assert.ok(metrics.length === 1 && data !== null && isType(data, Metrics), "one set of figures, of version 2");
      return Metrics.decode(data.value);
    };

    it("gives every figure that the kernel has", async () => {
      await using w = openWorld(stage);
      const box = await w.box(["sh", "-c", "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; exec sleep 100000"], {
        memoryLimit: 64 * MIB,
      });
      const pid = await box.up();
      const cgroup = cgroupOf(pid);
      await eventually("the sleep", () => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep"));
      // Frozen, so that its figures stand still.
      await box.pause();
      const earlier = readFigures(cgroup);
      const told = figuresOf(await metricsOf(w, box.id), pair.shim);
      const later = readFigures(cgroup);
      for (const [name, value] of Object.entries(told)) {
        const [low, high] = [earlier[name], later[name]];
        assert.ok(low !== undefined && high !== undefined, `${name} has a file`);
        assert.ok(low <= value && value <= high, `${name}: ${low} <= ${value} <= ${high}`);
      }
      assert.ok((told["memory.usage"] ?? 0n) > 0n && (told["cpu.usageUsec"] ?? 0n) > 0n && told["pids.current"] === 1n);
      assert.equal(told["memory.usageLimit"], BigInt(64 * MIB));
      await box.resume();
    });

    it("tells of a kill for lack of memory, once, before the exit", async () => {
      await using w = openWorld(stage);
      const box = await w.box(["tail", "/dev/zero"], { memoryLimit: 16 * MIB });
      await box.up();
      assert.equal(await box.wait(), 137);
      await w.events.until(box.id, "exit");
      await w.events.until(box.id, "oom");
      await box.delete();
      await w.events.until(box.id, "delete");
      const story = w.events.story(box.id);
      assert.equal(story.filter((each) => each === "oom").length, 1, story.join());
      // The original reads events and exits in two threads: there it may come second.
      if (pair.shim === "berth") assert.ok(story.indexOf("oom") < story.indexOf("exit"), story.join());
    });

    it("tells of a killed grandchild, while the container goes on", async () => {
      await using w = openWorld(stage);
      const box = await w.box(["sh", "-c", "tail /dev/zero; exec sleep 100000"], { memoryLimit: 16 * MIB });
      const cgroup = cgroupOf(await box.up());
      await w.events.until(box.id, "oom");
      assert.match(read(cgroup, "memory.events"), /^oom_kill 1$/m);
      assert.equal(await box.status(), "running");
      assert.equal((await metricsOf(w, box.id)).memoryEvents?.oomKill, 1n);
    });

    it("updates limits", async () => {
      await using w = openWorld(stage);
      const box = await w.box(sleeper);
      const cgroup = cgroupOf(await box.up());
      assert.deepEqual([read(cgroup, "memory.max"), read(cgroup, "cpu.max")], ["max", "max 100000"]);
      await box.update({
        memory: { limit: 48 * MIB },
        cpu: { quota: 50_000, period: 200_000, shares: 512, cpus: "0" },
        pids: { limit: 23 },
      });
      // 1 + (shares - 2) * 9999 / 262142, as the kernel's documentation of the OCI mapping has it.
      assert.deepEqual(
        ["memory.max", "cpu.max", "cpu.weight", "cpuset.cpus", "pids.max"].map((name) => read(cgroup, name)),
        [String(48 * MIB), "50000 200000", "20", "0", "23"],
      );
      assert.equal((await metricsOf(w, box.id)).pids?.limit, 23n);
    });

    it("freezes and thaws", async () => {
      await using w = openWorld(stage);
      const box = await w.box(sleeper);
      const cgroup = cgroupOf(await box.up());
      await box.pause();
      assert.match(read(cgroup, "cgroup.events"), /^frozen 1$/m);
      assert.equal(await box.status(), "paused");
      await box.resume();
      assert.match(read(cgroup, "cgroup.events"), /^frozen 0$/m);
      assert.equal(await box.status(), "running");
      // A frozen process of version 2 can be killed.
      await box.pause();
      await box.kill(9);
      assert.equal(await box.wait(), 137);
    });

    for (const binaryName of ["runc", "crun"])
      it(`${binaryName} makes a scope of systemd's, which goes with the container`, async () => {
        await using w = openWorld(stage);
        const id = w.newId();
        const box = await w.box(["sh", "-c", "tail /dev/zero; exec sleep 100000"], {
          id,
          cgroupsPath: `berth-vm.slice:berth:${id}`,
          memoryLimit: 16 * MIB,
          runtimeOptions: packAny(Options, { systemdCgroup: true, binaryName }),
        });
        const scope = `berth-${id}.scope`;
        const cgroup = cgroupOf(await box.up());
        assert.match(cgroup, new RegExp(`/berth.slice/berth-vm.slice/${scope}(/|$)`));
        assert.equal(await unitProperty(scope, "ActiveState"), "active");
        // crun 1.8 writes the limits into the files itself, and systemd does not know them.
        const limits = async () => [read(cgroup, "memory.max"), await unitProperty(scope, "MemoryMax")];
        const both = (limit: number) => [String(limit), binaryName === "runc" ? String(limit) : "infinity"];
        assert.deepEqual(await limits(), both(16 * MIB));
        await w.events.until(id, "oom");
        assert.ok(((await metricsOf(w, id)).memory?.usage ?? 0n) > 0n);
        await box.update({ memory: { limit: 32 * MIB } });
        assert.deepEqual(await limits(), both(32 * MIB));
        await box.pause();
        await box.resume();
        await box.down();
        await eventually("the end of the scope", async () => (await unitProperty(scope, "LoadState")) === "not-found");
        assert.ok(!existsSync(cgroup));
      });

    it("crun runs, execs, freezes, updates and tells the exit", async () => {
      await using w = openWorld(stage);
      const box = await w.box(sleeper, { runtimeOptions: packAny(Options, { binaryName: "crun" }) });
      const cgroup = cgroupOf(await box.up());
      assert.equal(await box.run("e1", "sh", "-c", "exit 9"), 9);
      await box.update({ pids: { limit: 31 } });
      await box.pause();
      assert.match(read(cgroup, "cgroup.events"), /^frozen 1$/m);
      await box.resume();
      assert.equal((await metricsOf(w, box.id)).pids?.limit, 31n);
      assert.equal((await box.down()).exitStatus, 137);
    });

    it("puts the shim into the cgroup that its options name", async () => {
      await using w = openWorld(stage);
      const name = `shims-${w.newId()}`;
      mkdirSync(`/sys/fs/cgroup/${name}`);
      const box = await w.box(sleeper, { runtimeOptions: packAny(Options, { shimCgroup: `/${name}` }) });
      await box.up();
      const shim = processesNaming(box.id).find(({ command }) => command.startsWith(pair.shimPath));
      assert.equal(cgroupOf(shim?.pid ?? 0), `/sys/fs/cgroup/${name}`);
      await box.down();
      await eventually("the end of the shim", () => readFileSync(`/sys/fs/cgroup/${name}/cgroup.procs`, "utf8") === "");
      rmdirSync(`/sys/fs/cgroup/${name}`);
    });
  });
