// A pull for which the disk has no room: it says so, leaves nothing, and the next one that fits goes in. While it is unpacked as well
// as while it is fetched.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, it } from "node:test";
import { berthAt } from "../client/berth.ts";
import { makeSmallDisk } from "../kill/small-disk.ts";
import { berthdPath } from "../support/berthd.ts";
import { hasRegistry, startRegistry } from "../support/registry/docker-registry.ts";
import { imageOf, type Part } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { upload } from "../support/registry/upload.ts";
import { startSupervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

const own = takeOwnTmp();
after(own.remove);
const namespace = `pull-full-${process.pid}`;
const MIB = 1 << 20;

it("a pull that does not fit leaves the disk as it was", {
  skip: hasRegistry() ? false : "needs docker-registry",
}, async () => {
  await using registry = await startRegistry();
  const put = async (name: string, part: Part): Promise<string> => {
    await upload(makeLayout(join(own.dir, name), part), registry, name, "1");
    return `${registry.address}/${name}:1`;
  };
  const layers = (count: number, size: number, content: "random" | "text") =>
    Array.from({ length: count }, (_, at) => ({ size, content, seed: `${content} ${size} ${at}` }));
  const fetched = await put("fetched", imageOf({ layers: layers(5, 30 * MIB, "random"), compression: "none" }));
  const unpacked = await put("unpacked", imageOf({ layers: layers(1, 150 * MIB, "text") }));
  const fits = await put("fits", imageOf({ busybox: true, layers: layers(2, 10 * MIB, "random") }));

  const dir = mkdtempSync("/run/berth-pull-full-");
  const files = mkdtempSync("/var/tmp/berth-pull-full-");
  const [root, state, address] = [join(dir, "root"), join(dir, "state"), join(dir, "b.sock")];
  const disk = makeSmallDisk(root, files, 96);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(files, { recursive: true }));
  const command = [berthdPath, "--config", "/dev/null", "--root", root, "--state", state, "--address", address];
  await using daemon = await startSupervisor({ address, dir, root, state, env: {}, command });
  const berth = await berthAt(address, namespace);
  const before = await worldOf(daemon, namespace);
  for (const name of [fetched, unpacked]) {
    const free = disk.free();
    const { code, stderr } = await berth("pull", name);
    assert.equal(code, 125);
    assert.match(stderr.split("\n").at(-2) ?? "", /no space (is )?left/i);
    assert.deepEqual(await worldOf(daemon, namespace), before);
    assert.ok(disk.free() > free - 2 * MIB, `${free - disk.free()} bytes are missing`);
  }
  const { code, stderr } = await berth("run", "--rm", fits, "true");
  assert.equal(code, 0, stderr);
});
