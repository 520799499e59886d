// A database that is lost under containers that run: berthd refuses it, `berthd recover` rebuilds it, they go on.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { berthdPath, startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";

const run = promisify(execFile);
const client = resolve(import.meta.dirname, "../../dist/bin/berth");
const image = "docker.io/library/busybox:recover";
const root = process.getuid?.() === 0;

const losses: Record<string, (at: { root: string; database: string }) => void> = {
  "the database": ({ database }) => rmSync(database),
  "its log": ({ database }) => rmSync(`${database}-wal`),
  "the database and the copies of its records": ({ root: at, database }) => {
    rmSync(dirname(database), { recursive: true });
    rmSync(join(at, "io.berth.copies.v1"), { recursive: true });
  },
};

for (const [what, lose] of Object.entries(losses))
  it(`containers go on, are listed, stopped and removed after ${what} was lost`, { skip: !root }, async () => {
    await using berthd = await startBerthd();
    const berth = async (...args: string[]) =>
      (await run(client, ["--address", berthd.address, ...args])).stdout.trim();
    const archive = join(berthd.dir, "busybox.tar");
    writeBusyboxImage(archive, { format: "oci", name: image });
    await berth("image", "import", archive);
    await berth("run", "-d", "--name", "web", "--label", "a=b", image, "sh", "-c", "trap exit TERM; sleep 1000 & wait");
    await berth("run", "-d", "--name", "two", image, "sh", "-c", "echo kept >/file; sleep 1000");
    await berth("run", "--name", "over", image, "true");
    const pid = Number(await berthd.ctr("tasks", "ls").then((out) => /^web +(\d+)/m.exec(out)?.[1]));
    await berthd.end();
    // What is nobody's container is said, and in nobody's way.
    const tasks = join(berthd.state, "io.containerd.runtime.v2.task");
    for (const bundle of ["bad namespace/x", "default/a b", "default/strange"])
      mkdirSync(join(tasks, bundle), { recursive: true });
    symlinkSync("nowhere", join(tasks, "default/strange/config.json"));
    lose({ root: berthd.root, database: join(berthd.root, "io.berth.metadata.v1.sqlite/meta.db") });

    const config = ["--config", join(berthd.dir, "config.toml")];
    const refusal = await run(berthdPath, config).then(
      () => assert.fail("it should not serve"),
      ({ stderr }: { stderr: string }) => stderr,
    );
    assert.match(refusal, /^berthd: [^\n]*`berthd recover` \(with the same --config, --root and --state\)[^\n]*\n$/);
    const { stdout: said } = await run(berthdPath, [...config, "recover"]);
    for (const id of ["x", "a b", "strange"])
      assert.match(said, new RegExp(`not rebuilt: container "${id}" in namespace`));
    assert.match(said, /start berthd now: it finds the containers that run\n$/);
    await berthd.restart();

    process.kill(pid, 0);
    const summaries = (await berth("ps", "-a", "--json")).split("\n").map((line) => JSON.parse(line) as { id: string });
    const withCopies = what !== "the database and the copies of its records";
    assert.deepEqual(summaries.map(({ id }) => id).sort(), ["over", "two", "web"]);
    assert.equal(await berth("exec", "two", "cat", "/file"), "kept");
    if (withCopies) {
      assert.equal(
        JSON.parse(await berth("inspect", "web"))[0]?.labels?.a ?? JSON.parse(await berth("inspect", "web")).labels?.a,
        "b",
      );
      assert.match(await berth("image", "ls"), /busybox:recover/);
      assert.equal(await berth("run", "--rm", image, "echo", "new"), "new");
      await berthd.ctr("images", "check").then((out) => assert.match(out, /complete \(\d\/\d\)/));
    } else {
      assert.match(said, /3 containers rebuilt from their bundles/);
      await berth("image", "import", archive);
      assert.equal(await berth("run", "--rm", image, "echo", "new"), "new");
    }
    await berth("stop", "web");
    await berth("rm", "web", "over");
    await berth("rm", "-f", "two");
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    // What is on the disk is what is known; without copies, snapshots are put aside, not deleted.
    const log = readFileSync(join(berthd.dir, "log"), "utf8");
    assert.doesNotMatch(log, /the disk had/);
    if (!withCopies) assert.match((await run(berthdPath, [...config, "quarantine"])).stdout, / overlayfs snapshots/);
  });
