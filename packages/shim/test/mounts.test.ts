import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mountsBelow, parseMountinfo, planMount } from "@berth/shim";

// proc_pid_mountinfo(5): one with and one without optional fields, one with an escaped blank.
const mountinfo = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue
40 22 0:31 / /b/rootfs rw - overlay overlay rw,lowerdir=/l
41 40 0:32 / /b/rootfs/proc rw - proc proc rw
42 22 0:33 / /b/rootfs2 rw - tmpfs tmpfs rw
43 22 0:31 / /b/rootfs rw - overlay overlay rw
nonsense
`;

describe("mountinfo", () => {
  it("reads mount points, roots and types", () => {
    const mounts = parseMountinfo(mountinfo);
    assert.equal(mounts.length, 6);
    assert.deepEqual(
      { ...mounts[1] },
      { mountPoint: "/mnt 2", root: "/mnt1", type: "ext3", superOptions: "rw,errors=continue" },
    );
  });
  it("lists what is at and below a path, latest first, and no sibling", () => {
    assert.deepEqual(mountsBelow(parseMountinfo(mountinfo), "/b/rootfs"), ["/b/rootfs", "/b/rootfs/proc", "/b/rootfs"]);
  });
});

describe("mount options", () => {
  it("become flags, propagation and data", () => {
    const plan = planMount(["rbind", "ro", "nosuid", "rprivate", "size=1m", "mode=755"]);
    assert.deepEqual(plan.flags, ["BIND", "REC", "RDONLY", "NOSUID"]);
    assert.deepEqual(plan.propagation, [["PRIVATE", "REC"]]);
    assert.deepEqual(plan.data, ["size=1m", "mode=755"]);
  });
  it("take back what came before", () => assert.deepEqual(planMount(["ro", "rw", "defaults"]).flags, []));
});
