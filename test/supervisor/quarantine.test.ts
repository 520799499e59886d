// What a start finds of tasks and cannot explain: put aside, listed, and deleted by command.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { berthdPath, startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";

const run = promisify(execFile);
const client = resolve(import.meta.dirname, "../../dist/bin/berth");
const image = "docker.io/library/busybox:quarantine";
const TASKS = "io.containerd.runtime.v2.task";
const QUARANTINE = "io.berth.quarantine.v1";
const root = process.getuid?.() === 0;

it("bundles and work directories that nothing explains are kept, and what runs goes on", { skip: !root }, async () => {
  await using berthd = await startBerthd();
  const berth = async (...args: string[]) => (await run(client, ["--address", berthd.address, ...args])).stdout.trim();
  const archive = join(berthd.dir, "busybox.tar");
  writeBusyboxImage(archive, { format: "oci", name: image });
  await berth("image", "import", archive);
  await berth("run", "-d", "--name", "web", image, "sleep", "1000");
  await berthd.end();
  for (const top of [berthd.state, berthd.root]) {
    mkdirSync(join(top, TASKS, "default/strange"), { recursive: true });
    writeFileSync(join(top, TASKS, "default/strange/file"), "somebody's");
  }
  await berthd.restart();
  assert.equal(await berth("exec", "web", "echo", "goes on"), "goes on");
  await berth("rm", "-f", "web");

  const config = ["--config", join(berthd.dir, "config.toml")];
  const quarantine = async (...args: string[]) => await run(berthdPath, [...config, "quarantine", ...args]);
  const listed = (await quarantine()).stdout;
  assert.match(listed, / {2}1 default bundles\n/);
  assert.match(listed, / {2}1 default tasks\n/);
  const log = readFileSync(join(berthd.dir, "log"), "utf8");
  assert.match(log, /a bundle that is not known is put aside/);
  assert.match(log, /a task's work directory that is not known is put aside/);

  // Names that nobody expects, links that lead out, and what is mounted in there. Of a time to come: what is older than a
  // week goes with the next collection, and the removal above has caused one.
  const top = join(berthd.root, QUARANTINE);
  const batch = join(top, "20300101T000000.000Z");
  const outside = join(berthd.dir, "outside");
  for (const path of [outside, join(batch, "mounted"), join(batch, "-rf\n\u001b[31m")])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(outside, "precious"), "");
  writeFileSync(join(batch, "a file"), "");
  symlinkSync(outside, join(batch, "link"));
  symlinkSync(outside, join(top, "20300101T000001.000Z"));
  writeFileSync(join(top, "20300101T000002.000Z"), "");
  writeFileSync(join(top, "notes"), "");
  execFileSync("mount", ["--bind", outside, join(batch, "mounted")]);
  try {
    const hostile = (await quarantine()).stdout;
    assert.equal(hostile.split("\n").length, 6, hostile);
    assert.ok(!hostile.includes("\u001b"), hostile);
    const refusal = await quarantine("rm").then(
      () => assert.fail("something is mounted there"),
      (error: { stdout: string; stderr: string }) => error,
    );
    assert.equal(refusal.stdout.split("\n").length, 5, refusal.stdout);
    assert.match(refusal.stderr, /^berthd: [^\n]*something is mounted at [^\n]*\/mounted: unmount it first\n$/);
  } finally {
    execFileSync("umount", [join(batch, "mounted")]);
  }
  assert.ok(existsSync(join(outside, "precious")));
  // Twice at once, and while a collection may do the same.
  await Promise.all([quarantine("rm"), quarantine("rm"), berthd.ctr("content", "prune", "references")]);
  assert.deepEqual(readdirSync(top), ["notes"]);
  assert.ok(existsSync(join(outside, "precious")));
  assert.deepEqual((await quarantine()).stdout, "");
});
