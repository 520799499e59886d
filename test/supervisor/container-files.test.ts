// What a container finds that is not of its image: its name, its resolver, its cgroup, its limits.
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { type TarEntry, writeBusyboxImage } from "../support/image.ts";
import { mountsBelow } from "../support/leftovers.ts";
import type { Supervisor } from "../support/supervisor.ts";

let berthd: Supervisor;
let berth: Berth;
let folder: string;
const namespace = `files-test-${process.pid}`;

before(async () => {
  folder = mkdtempSync("/tmp/berth-files-test.");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address, namespace);
  await image("busybox", []);
});
after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function image(name: string, layer: readonly TarEntry[]): Promise<void> {
  const archive = join(folder, `${name}.tar`);
  writeBusyboxImage(archive, { format: "oci", name: `docker.io/library/${name}:latest`, extraLayers: [layer] });
  const { code, stderr } = await berth("image", "import", archive);
  assert.equal(code, 0, stderr);
}
/** Of containers that are there: a list waits for those that are leaving. */
const files = async () => {
  await berth("ps", "-a");
  const directory = join(berthd.root, "io.berth.engine.v1/files", namespace);
  return existsSync(directory) ? readdirSync(directory) : [];
};
const shell = (options: readonly string[], script: string, from = "busybox") =>
  berth("run", "--rm", ...options, from, "sh", "-c", script);

describe("files of a container", () => {
  it("say its name, and resolve it and others", async () => {
    const { stdout, stderr } = await shell(
      ["--name", "named"],
      "hostname; cat /etc/hostname; ping -c1 -W1 named >/dev/null && echo found; grep -c ^nameserver /etc/resolv.conf; grep -c 'nameserver 127' /etc/resolv.conf",
    );
    assert.match(stdout, /^named\nnamed\nfound\n[1-9]\d*\n0\n$/, stderr);
    assert.equal((await shell(["--hostname", "web.example"], "cat /etc/hostname")).stdout, "web.example\n");
    assert.deepEqual(await files(), []);
  });

  it("are the container's own: written to, kept over restarts of it and of berthd, and removed with it", async () => {
    const script = "cat /etc/hosts | tail -1; echo '10.1.2.3 mine' >>/etc/hosts; sleep 1000";
    assert.equal((await berth("run", "-d", "--name", "kept", "busybox", "sh", "-c", script)).code, 0);
    const tail = async () => (await berth("exec", "kept", "tail", "-n1", "/etc/hosts")).stdout;
    for (let look = 0; look < 200 && (await tail()) !== "10.1.2.3 mine\n"; look++);
    await berthd.end("SIGKILL");
    await berthd.restart();
    assert.equal(await tail(), "10.1.2.3 mine\n");
    await berth("stop", "-t", "1", "kept");
    assert.deepEqual(await files(), ["kept"]);
    assert.equal((await berth("start", "kept")).code, 0);
    assert.match(await tail(), /10\.1\.2\.3 mine/);
    await berth("rm", "-f", "kept");
    assert.deepEqual(await files(), []);
    assert.deepEqual(mountsBelow(berthd.dir), []);
    // Another container of the name begins anew.
    assert.doesNotMatch((await shell(["--name", "kept"], "cat /etc/hosts")).stdout, /mine/);
  });

  it("go where the record is removed by another client, and come back where its task is made by one", async () => {
    const ctr = (...args: string[]) => berthd.ctr("-n", namespace, ...args);
    await berth("run", "-d", "--name", "other", "busybox", "sleep", "1000");
    await ctr("tasks", "kill", "-s", "KILL", "other");
    await ctr("tasks", "delete", "other");
    rmSync(join(berthd.root, "io.berth.engine.v1/files", namespace, "other"), { recursive: true });
    await ctr("tasks", "start", "-d", "other");
    assert.equal((await berth("exec", "other", "cat", "/etc/hostname")).stdout, "other\n");
    await ctr("tasks", "delete", "-f", "other");
    await ctr("containers", "delete", "other");
    assert.deepEqual(await files(), []);
  });

  it("are read-only where the root is", async () => {
    const { stdout } = await shell(["--read-only"], "cat /etc/hostname >/dev/null && (echo x >>/etc/hosts) 2>&1");
    assert.match(stdout, /Read-only file system/);
  });

  it("make way for what a user mounts there or above", async () => {
    const etc = join(folder, "etc");
    mkdirSync(etc);
    writeFileSync(join(etc, "mine"), "1");
    assert.equal((await shell(["-v", `${etc}:/etc`], "ls /etc")).stdout, "mine\n");
    assert.deepEqual(readdirSync(etc), ["mine"]);
    writeFileSync(join(etc, "hosts"), "127.0.0.9 me\n");
    assert.equal((await shell(["-v", `${etc}/hosts:/etc/hosts`], "cat /etc/hosts")).stdout, "127.0.0.9 me\n");
  });

  it("are the host's in the host's network", async () => {
    const { stdout } = await shell(["--network", "host"], "cat /etc/hosts");
    assert.equal(stdout, readFileSync("/etc/hosts", "utf8"));
  });

  it("are never written through a link of the image", async () => {
    const outside = join(folder, "outside");
    writeFileSync(outside, "as it was\n");
    await image("links", [
      { path: "etc/hosts", type: "symlink", link: outside },
      { path: "etc/hostname", type: "symlink", link: "../../../../../../../../data/hostname" },
      { path: "etc/resolv.conf", type: "symlink", link: "../run/systemd/resolve/stub-resolv.conf" },
    ]);
    const script = "echo x >>/etc/hosts; cat /etc/hostname; grep -c ^nameserver /etc/resolv.conf; ls /data";
    const { stdout, stderr } = await shell(["--name", "linked"], script, "links");
    assert.match(stdout, /^linked\n[1-9]\d*\nhostname\n$/, stderr);
    assert.equal(readFileSync(outside, "utf8"), "as it was\n");
  });

  it("are found where /etc itself is a link", async () => {
    const moved = "docker.io/library/moved:latest";
    const archive = join(folder, "moved.tar");
    const { makeTar, busyboxEntries } = await import("../support/image.ts");
    const entries = busyboxEntries().map((entry) => ({ ...entry, path: entry.path.replace(/^etc/, "usr/etc") }));
    const whole = makeTar([
      { path: "etc", type: "directory" },
      { path: ".wh.etc" },
      { path: "usr/etc", type: "directory" },
    ]);
    const layers = [whole, makeTar([{ path: "etc", type: "symlink", link: "/usr/etc" }]), makeTar(entries)];
    writeBusyboxImage(archive, { format: "oci", name: moved, extraLayers: layers });
    const imported = await berth("image", "import", archive);
    assert.equal(imported.code, 0, imported.stderr);
    const { stdout, stderr } = await shell(
      ["--name", "moved"],
      "readlink /etc; cat /etc/hostname /usr/etc/hostname",
      "moved",
    );
    assert.equal(stdout, "/usr/etc\nmoved\nmoved\n", stderr);
  });
});

describe("limits that a program sees", () => {
  const isUnified = statfsSync("/sys/fs/cgroup").type === 0x63677270;
  const file = isUnified ? "/sys/fs/cgroup/memory.max" : "/sys/fs/cgroup/memory/memory.limit_in_bytes";

  it("its cgroup's, read-only", async () => {
    const { stdout, stderr } = await shell(
      ["--memory", "64m"],
      `cat ${file}; (echo 1 >${file}) 2>&1 | grep -c Read-only`,
    );
    assert.equal(stdout, `${64 << 20}\n1\n`, stderr);
  });

  it("with its own cgroup below it, and no other container's", async () => {
    await berth("run", "-d", "--name", "neighbour", "busybox", "sleep", "1000");
    const { stdout } = await shell(
      [],
      "find /sys/fs/cgroup -name neighbour | wc -l; cat /sys/fs/cgroup/pids/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | grep -c '^1$'",
    );
    await berth("rm", "-f", "neighbour");
    assert.equal(stdout, "0\n1\n");
  });

  it("writable for a privileged one", async () => {
    const { stdout } = await shell(["--privileged"], "grep -c ' /sys/fs/cgroup[^ ]* cgroup2\\? rw' /proc/mounts");
    assert.notEqual(stdout, "0\n");
  });

  it("enough open files, and what --ulimit says, for execs as well", async () => {
    const files = "ulimit -Sn; ulimit -Hn";
    const [soft = 0, hard = 0] = (await shell([], files)).stdout.trim().split("\n").map(Number);
    assert.ok(soft > 1024 && hard >= soft, `${soft}:${hard}`);
    const options = ["--ulimit", "nofile=100:200", "--ulimit", "core=-1:-1", "--ulimit", "nproc=77"];
    await berth("run", "-d", "--name", "limited", ...options, "busybox", "sleep", "1000");
    // The soft limit is looked at in init: runc 1.1 built with Go 1.19 raises it for execs, as Go does for itself.
    const script = "ulimit -Hn; ulimit -c; ulimit -u; cat /proc/1/limits";
    const { stdout, stderr } = await berth("exec", "limited", "sh", "-c", script);
    await berth("rm", "-f", "limited");
    assert.match(stdout, /^200\nunlimited\n77\n/, stderr);
    assert.match(stdout, /Max open files +100 +200 /);
  });

  it("are refused where they are wrong", async () => {
    for (const [given, message] of [
      ["nofile=2:1", /ulimit "nofile=2:1": the soft limit cannot be more/],
      ["files=1", /ulimit "files=1" is not known: there are as, core/],
    ] as const) {
      const { code, stderr } = await berth("run", "--ulimit", given, "busybox", "true");
      assert.deepEqual([code, message.test(stderr)], [125, true], stderr);
    }
    assert.match((await berth("run", "--hostname", "a b", "busybox", "true")).stderr, /hostname "a b" is invalid/);
  });
});
