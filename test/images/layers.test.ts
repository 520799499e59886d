// Images of as many layers as the kernel takes, on both daemons with both shims: mount options outgrow a page at 127.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { berthAt } from "../client/berth.ts";
import { goShim, ownShim, startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { type TarEntry, writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

/** Each is the image before it and some more: their lower layers are shared. */
const counts = [127, 128, 200, 500];
const nameOf = (count: number): string => `docker.io/library/layers:${count}`;
const namespace = `layers${process.pid}`;

function writeImage(dir: string, count: number): string {
  const archive = join(dir, `${count}.tar`);
  const extraLayers = Array.from({ length: count - 1 }, (_, position): TarEntry[] => [
    { path: `layers/${position}`, content: `${position}\n` },
  ]);
  writeBusyboxImage(archive, { format: "oci", name: nameOf(count), extraLayers });
  return archive;
}

/**
 * ctr's gRPC allows a stream 64 KiB where it was made while the window for new ones grew, of which it has told the server
 * already; a manifest of 500 layers that arrives whole (GODEBUG=http2debug=2 shows each byte of it) is then "unexpected EOF".
 * On either daemon: of 217 unpackings on containerd, beside four busy loops on two processors, it ended one.
 */
const isTooLong = (error: unknown): boolean =>
  /code = Internal desc = unexpected EOF/.test((error as { stderr?: string }).stderr ?? "");

const daemons = [
  ["berthd", () => startBerthd()],
  ["containerd", () => startContainerd()],
] as const;

for (const [title, start] of daemons)
  describe(`many layers on ${title}`, { skip: hasContainerd() ? false : "needs containerd and root" }, () => {
    let daemon: Supervisor;
    const ctr = (...args: string[]) => daemon.ctr("-n", namespace, ...args);

    before(async () => {
      daemon = await start();
      for (const count of counts) await ctr("images", "import", writeImage(daemon.dir, count));
    });
    after(async () => await daemon.stop());

    for (const [shim, runtime] of [
      ["berth's shim", ownShim],
      ["containerd's shim", goShim],
    ] as const)
      for (const count of counts)
        it(`${count} run with ${shim}`, async () => {
          const id = `run-${count}-${shim === "berth's shim" ? "own" : "go"}`;
          const script = "cat layers/* | wc -l; cat layers/0; echo x > layers/new; cat layers/new";
          const run = (name: string) =>
            ctr("run", "--rm", "--runtime", runtime, nameOf(count), name, "sh", "-c", script);
          const stdout = await run(id).catch((error: unknown) => {
            if (!isTooLong(error)) throw error;
            return run(`${id}-again`);
          });
          assert.equal(stdout, `${count - 1}\n0\nx\n`);
        });

    it("a view of 500 is shown whole", async () => {
      const { stdout } = await imageMounts(daemon);
      assert.equal(stdout.split("lowerdir=")[1]?.split(":").length, 500);
    });

    if (title === "berthd")
      it("501 are refused by name when they are imported, and leave nothing", async () => {
        const berth = await berthAt(daemon.address, namespace);
        const archive = writeImage(daemon.dir, 501);
        const before = await worldOf(daemon, namespace);
        const { code, stderr } = await berth("image", "import", archive);
        assert.equal(code, 125);
        assert.match(
          stderr,
          /^berth: the image of manifest sha256:[0-9a-f]{64} has 501 layers: overlayfs takes 500 at most\n$/,
        );
        // What the imports before have left to the collector may be gone meanwhile.
        const added = (await worldOf(daemon, namespace)).filter((line) => !before.includes(line));
        assert.deepEqual(added, []);
      });
  });

/** Mounts of a view upon the largest image. */
async function imageMounts(daemon: Supervisor): Promise<{ stdout: string }> {
  const ctr = (...args: string[]) => daemon.ctr("-n", namespace, ...args);
  const lines = (await ctr("snapshots", "ls")).split("\n").map((line) => line.trim().split(/\s+/));
  const parents = new Set(lines.map(([, parent]) => parent));
  const top = lines.find(([key, , kind]) => kind === "Committed" && !parents.has(key));
  assert.ok(top?.[0] !== undefined);
  // Nothing holds a view: a collection may take it as soon as it is there.
  return { stdout: await ctr("snapshots", "view", "--target", "/target", "look", top[0]) };
}
