// Containers in user namespaces of their own: root in there is nobody out here, and reaches its files all the same. On
// containerd, and on berthd in its default layout, where the sockets are in the state directory.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { berthdPath } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { type Supervisor, startSupervisor } from "../support/supervisor.ts";

const name = "docker.io/library/busybox:latest";
const maps = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
const OUTSIDE = "100000";

/** As `berthd` without a configuration: root and state of their own, both sockets in the state directory. */
async function startDefaultLayout(): Promise<Supervisor> {
  const dir = mkdtempSync("/run/berth-un-");
  chmodSync(dir, 0o711);
  const [root, state] = [join(dir, "root"), join(dir, "state")];
  const address = join(state, "berth.sock");
  writeFileSync(join(dir, "config.toml"), "version = 2\n");
  const places = ["--root", root, "--state", state, "--address", address];
  const command = [berthdPath, "--config", join(dir, "config.toml"), ...places];
  return await startSupervisor({ address, dir, root, state, env: {}, command });
}

async function startOriginal(): Promise<Supervisor> {
  const daemon = await startContainerd();
  chmodSync(daemon.dir, 0o711);
  return daemon;
}

const daemons: [string, () => Promise<Supervisor>][] = [
  ["containerd", startOriginal],
  ["berthd", startDefaultLayout],
];
for (const [title, start] of daemons) {
  describe(`a user namespace on ${title}`, { skip: title === "containerd" && !hasContainerd() }, () => {
    let daemon: Supervisor;
    let folder: string;
    const namespace = `userns-${title}-${process.pid}`;
    const ctr = (...args: string[]) => daemon.ctr("-n", namespace, ...args);

    before(async () => {
      folder = mkdtempSync("/tmp/berth-userns-test.");
      daemon = await start();
      const archive = join(folder, "busybox.tar");
      writeBusyboxImage(archive, { format: "oci", name });
      await ctr("images", "import", archive);
    });
    after(async () => {
      await daemon?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    for (const snapshotter of ["overlayfs", "native"])
      it(`has a root of its own with its files, on ${snapshotter}`, async () => {
        const id = `own-${snapshotter}`;
        const script =
          "id -u; cat /proc/self/uid_map | tr -s ' '; stat -c %u /etc/passwd; touch /made && stat -c %u /made";
        const args = ["run", "--rm", "--snapshotter", snapshotter, ...maps, name, id, "sh", "-c", script];
        assert.equal(await ctr(...args), `0\n 0 ${OUTSIDE} 65536\n0\n0\n`);
      });

    it("takes execs, as root of the namespace", async () => {
      await ctr("run", "-d", ...maps, name, "long", "sleep", "1000");
      const uids = await ctr(
        "tasks",
        "exec",
        "--exec-id",
        "e",
        "long",
        "sh",
        "-c",
        "id -u; touch /tmp/x; stat -c %u /tmp/x",
      );
      const pids = await ctr("tasks", "ps", "long");
      const pid = pids.split("\n")[1]?.split(/\s+/)[0] ?? "";
      await ctr("tasks", "kill", "-s", "KILL", "long");
      assert.equal(uids, "0\n0\n");
      assert.match(pid, /^[0-9]+$/);
    });

    it("may be given with labels for snapshotters that remap by themselves", async () => {
      const made = await ctr(
        "run",
        "--rm",
        "--remap-labels",
        ...maps,
        name,
        "labels",
        "sh",
        "-c",
        "id -u; stat -c %u /",
      );
      assert.match(made, /^0\n(0|65534)\n$/);
    });

    it("sees a directory that is bound into it", async () => {
      const shared = join(folder, "shared");
      mkdirSync(shared);
      chmodSync(folder, 0o755);
      writeFileSync(join(shared, "x"), "content\n");
      const mount = `type=bind,src=${shared},dst=/shared,options=rbind:ro`;
      assert.equal(await ctr("run", "--rm", "--mount", mount, ...maps, name, "bound", "cat", "/shared/x"), "content\n");
    });
  });
}

describe("the default layout", () => {
  it("keeps its sockets by their own modes, and mends a state directory that was closed", async () => {
    const daemon = await startDefaultLayout();
    try {
      const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
      assert.equal(mode(daemon.state), "711");
      assert.deepEqual([mode(daemon.address), mode(daemon.ttrpcAddress)], ["660", "660"]);
      assert.equal(mode(join(daemon.state, "io.containerd.runtime.v2.task")), "711");
      await daemon.end("SIGTERM");
      chmodSync(daemon.state, 0o700);
      await daemon.restart();
      assert.equal(mode(daemon.state), "711");
    } finally {
      await daemon.stop();
    }
  });
});
