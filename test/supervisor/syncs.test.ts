// How often berthd waits for the disk, counted by strace: each time takes milliseconds, in which nobody is served.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { connectGrpc } from "@berth/grpc";
import { Engine } from "@berth/proto/berth/v1";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";

const namespace = `syncs-test-${process.pid}`;
let berthd: Supervisor;
let berth: Berth;
let folder: string;

before(async () => {
  folder = mkdtempSync("/tmp/berth-syncs.");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address, namespace);
  const archive = join(folder, "busybox.tar");
  writeBusyboxImage(archive, { format: "oci", name: "docker.io/library/busybox:latest" });
  assert.equal((await berth("image", "import", archive)).code, 0);
  assert.equal((await berth("run", "--rm", "busybox", "true")).code, 0);
});
after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The files that are synchronized meanwhile, by their last names. */
async function synced(work: () => Promise<void>): Promise<string[]> {
  const log = join(folder, "log");
  const flags = ["-f", "-y", "-z", "-e", "trace=fsync,fdatasync,syncfs", "-o", log, "-p", String(berthd.pid)];
  const strace = spawn("/usr/bin/strace", flags, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(strace, "exit");
  try {
    // "Process 1234 attached with 12 threads"
    for (let said = ""; !said.includes("attached"); ) {
      const [more] = await Promise.race([once(strace.stderr, "data"), ended.then(() => ["strace has ended"])]);
      said += String(more);
      assert.ok(strace.exitCode === null, said);
    }
    await work();
  } finally {
    strace.kill("SIGINT");
    await ended;
  }
  return [...readFileSync(log, "utf8").matchAll(/sync\w*\(\d+<(.*?)>/g)].map(
    ([, path = ""]) => path.split("/").at(-1) ?? "",
  );
}

const logs = (names: readonly string[]): number => names.filter((name) => name.endsWith("-wal")).length;

it("a run waits for its records twice: when it has started, and when it has been removed", async () => {
  const names = await synced(async () => {
    assert.equal((await berth("run", "--rm", "busybox", "true")).code, 0);
  });
  assert.equal(logs(names), 2, `${names}`);
});

it("a container that stays is durable once its start was answered, and before", async () => {
  const names = await synced(async () => {
    assert.equal((await berth("run", "-d", "--name", "stays", "busybox", "sleep", "1000")).code, 0);
  });
  assert.equal(logs(names), 1, `${names}`);
  assert.equal((await berth("rm", "-f", "stays")).code, 0);
});

it("a container that is only made is durable when that was answered", async () => {
  const connection = connectGrpc(berthd.address);
  try {
    const names = await synced(async () => {
      await connection.service(Engine).createContainer({ id: "made", image: "busybox" }, { namespace });
    });
    assert.equal(logs(names), 1, `${names}`);
  } finally {
    connection.close();
  }
  assert.equal((await berth("rm", "made")).code, 0);
});
