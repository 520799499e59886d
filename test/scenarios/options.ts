// containerd.runc.v1.Options, from the container's record and from the task's request.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { processesNaming } from "../support/leftovers.ts";
import { eventually } from "./expect.ts";
import { area, scenario } from "./scenario.ts";

const sleeper = ["sleep", "1000"];

export const options = area("options", [
  scenario("root: the runtime keeps its state there", async (w) => {
    const root = join(w.dir, "runc");
    const box = await w.box(sleeper, { runtimeOptions: packAny(Options, { root }) });
    await box.up();
    const state = join(root, w.stage.namespace, box.id);
    assert.ok(existsSync(state));
    assert.equal(await box.run("e", "true"), 0);
    await box.down();
    assert.ok(!existsSync(state));
  }),
  scenario("the task's options come before the container's", async (w) => {
    const [first, second] = [join(w.dir, "first"), join(w.dir, "second")];
    const box = await w.box(sleeper, { runtimeOptions: packAny(Options, { root: first }) });
    await box.up({ options: packAny(Options, { root: second }) });
    assert.ok(existsSync(join(second, w.stage.namespace, box.id)));
    assert.ok(!existsSync(join(first, w.stage.namespace, box.id)));
    await box.down();
  }),
  scenario("binary_name: a runtime by its path", async (w) => {
    const box = await w.box(["sh", "-c", "exit 5"], {
      runtimeOptions: packAny(Options, { binaryName: "/usr/sbin/runc" }),
    });
    await box.up();
    assert.equal(await box.wait(), 5);
    await box.delete();
  }),
  scenario("io_uid and io_gid: the container may open its output again", async (w) => {
    const { out, streams } = w.io();
    const box = await w.box(
      ["sh", "-c", "ls -lnL /proc/self/fd/1; echo again > /dev/fd/1; echo again > /proc/self/fd/2"],
      {
        runtimeOptions: packAny(Options, { ioUid: 1234, ioGid: 2345 }),
        change: (spec: { process: { user: object } }) => {
          spec.process.user = { uid: 1234, gid: 2345 };
        },
      },
    );
    await box.up(streams);
    assert.equal(await box.wait(), 0);
    await box.delete();
    assert.match((await out.whole).toString(), /\s1234\s+2345\s.*again\n$/s);
  }),
  ...["container's", "task's"].map((whose) =>
    scenario(`shim_cgroup in the ${whose} options: the shim lives there`, async (w) => {
      const name = `${w.stage.namespace}-shim-${w.newId()}`;
      const controllers = ["memory", "cpu", "cpuacct", "pids", "freezer", "devices", "blkio"];
      const paths = controllers.map((controller) => `/sys/fs/cgroup/${controller}/${name}`);
      for (const path of paths) mkdirSync(path);
      try {
        const asked = packAny(Options, { shimCgroup: `/${name}` });
        const box = await w.box(sleeper, whose === "task's" ? {} : { runtimeOptions: asked });
        await box.up(whose === "task's" ? { options: asked } : {});
        const [shim] = processesNaming(` ${box.id} `).filter(({ command }) => command.startsWith(w.pair.shimPath));
        assert.ok(shim);
        assert.match(readFileSync(`/proc/${shim.pid}/cgroup`, "utf8"), new RegExp(`memory:/${name}\n`));
        const pid = (await box.state()).pid;
        assert.doesNotMatch(readFileSync(`/proc/${pid}/cgroup`, "utf8"), new RegExp(`memory:/${name}\n`));
        await box.down();
        await eventually("the shim ends", () => processesNaming(` ${box.id} `).length === 0);
      } finally {
        for (const path of paths) rmdirSync(path);
      }
    }),
  ),
  scenario("oom_score_adj: the shim's is one above the daemon's, the container's is its own", async (w) => {
    const box = await w.box(sleeper, {
      change: (spec: { process: { oomScoreAdj: number } }) => {
        spec.process.oomScoreAdj = 77;
      },
    });
    const pid = await box.up();
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim(), "77");
    const [shim] = processesNaming(` ${box.id} `).filter(({ command }) => command.startsWith(w.pair.shimPath));
    const own = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
    assert.equal(Number(readFileSync(`/proc/${shim?.pid}/oom_score_adj`, "utf8")), Math.min(1000, own + 1));
  }),
]);
