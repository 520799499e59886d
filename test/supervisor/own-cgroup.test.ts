// `[cgroup] path`: where berthd and its shims are, on berthd and on the original.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";

/** Path by hierarchy of /proc/PID/cgroup. */
const cgroupsOfProcess = (pid: number): Map<string, string> =>
  new Map(
    readFileSync(`/proc/${pid}/cgroup`, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(":"))
      .map(([, name = "", path = ""]) => [name, path]),
  );

/** Nobody removes it, as it is the administrator's. */
function removeCgroup(path: string): void {
  for (const hierarchy of ["", ...readdirSync("/sys/fs/cgroup")])
    for (const directory of [join("/sys/fs/cgroup", hierarchy, path), join("/sys/fs/cgroup", hierarchy, path, "..")])
      try {
        rmdirSync(directory);
      } catch {
        // Not in this hierarchy.
      }
}

const daemons = [
  ["containerd", startContainerd],
  ["berthd", startBerthd],
] as const;
for (const [title, start] of daemons)
  it(`${title} moves there, with all its threads`, { skip: title === "containerd" && !hasContainerd() }, async () => {
    const path = `/berth-own-${process.pid}/${title}`;
    const before = cgroupsOfProcess(process.pid);
    try {
      await using daemon = await start({ config: `\n[cgroup]\npath = "${path}"\n` });
      const after = cgroupsOfProcess(daemon.pid);
      for (const [name, own] of before) {
        // Beside version 1, the hierarchy without controllers is left alone.
        const isMoved = name !== "" || before.size === 1;
        assert.equal(after.get(name), isMoved ? path : own, name);
      }
      for (const thread of readdirSync(`/proc/${daemon.pid}/task`))
        assert.ok(readFileSync(`/proc/${daemon.pid}/task/${thread}/cgroup`, "utf8").includes(`:${path}\n`), thread);
    } finally {
      removeCgroup(path);
    }
  });

it("berthd does not start where it cannot move, and says why", async () => {
  await assert.rejects(startBerthd({ config: '\n[cgroup]\npath = "/\\u0000"\n' }), /cannot move to cgroup\.path/);
});
