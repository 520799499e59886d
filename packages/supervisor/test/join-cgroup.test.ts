import assert from "node:assert/strict";
import { it } from "node:test";
import { hierarchiesIn } from "../src/server/join-cgroup.ts";

const line = (point: string, type: string) => `30 24 0:25 / ${point} rw,nosuid shared:9 - ${type} ${type} rw\n`;

it("cgroups are where they are mounted: all of version 1, or the one of version 2", () => {
  const own = line("/", "ext4") + line("/proc", "proc");
  const old = line("/sys/fs/cgroup", "tmpfs") + line("/sys/fs/cgroup/memory", "cgroup");
  const mixed = `${old}${line("/sys/fs/cgroup/cpu,cpuacct", "cgroup")}${line("/sys/fs/cgroup/unified", "cgroup2")}`;
  assert.deepEqual(hierarchiesIn(own + mixed), ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct"]);
  assert.deepEqual(hierarchiesIn(own + line("/sys/fs/cgroup", "cgroup2")), ["/sys/fs/cgroup"]);
  // A copy somewhere else, as in a container's directory.
  assert.deepEqual(hierarchiesIn(own + line("/run/x/sys/fs/cgroup", "cgroup2")), []);
});
