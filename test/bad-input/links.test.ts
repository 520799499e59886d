// Images in whose place a link leads the OCI runtime out of the container's root, before it has changed the root.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { berthAt } from "../client/berth.ts";
import { goShim, ownShim, startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { type TarEntry, writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

const namespace = `links${process.pid}`;
const canary = mkdtempSync("/tmp/berth-canary-");
after(() => rmSync(canary, { recursive: true }));

const link = (path: string, target: string): TarEntry => ({ path, type: "symlink", link: target });

/** What each image has, and the name of the link that is refused; null where a container runs. */
const images: readonly (readonly [name: string, layer: readonly TarEntry[], refused: string | null])[] = [
  ["absolute", [link("dev", canary)], "/dev"],
  ["climbing", [link("dev", `../../../../../../../..${canary}`)], "/dev"],
  ["indirect", [link("dev", "etc/dev"), link("etc/dev", canary)], "/etc/dev"],
  ["proc", [link("proc", canary)], "/proc"],
  ["sys", [link("sys", canary)], "/sys"],
  ["inside", [link("dev", "var/dev"), { path: "var/dev", type: "directory" }], null],
  ["elsewhere", [link("run", "/var/run"), link("home", canary)], null],
];
const nameOf = (image: string): string => `docker.io/library/${image}:links`;

const pairs: readonly (readonly [title: string, start: () => Promise<Supervisor>, runtime: readonly string[]])[] = [
  ["berthd with its own shim", () => startBerthd(), []],
  ["berthd with containerd's shim", () => startBerthd({ shim: goShim }), []],
  ["containerd with berth's shim", () => startContainerd(), ["--runtime", ownShim]],
];

/** Without blobs: those of the imports before are collected at any time. */
const heldBy = async (daemon: Supervisor): Promise<string[]> =>
  (await worldOf(daemon, namespace)).filter((line) => !line.startsWith("content "));

for (const [title, start, runtime] of pairs)
  describe(`a root that leads out, on ${title}`, {
    skip: hasContainerd() ? false : "needs containerd and root",
  }, () => {
    let daemon: Supervisor;
    const ctr = (...args: string[]) => daemon.ctr("-n", namespace, ...args);

    before(async () => {
      daemon = await start();
      for (const [name, layer] of images) {
        const archive = join(daemon.dir, `${name}.tar`);
        writeBusyboxImage(archive, { format: "oci", name: nameOf(name), extraLayers: [layer] });
        await ctr("images", "import", archive);
      }
    });
    after(async () => await daemon.stop());

    for (const [name, , refused] of images) {
      it(`image "${name}": ${refused === null ? "runs" : `${refused} is refused, and nothing is touched`}`, async () => {
        rmSync(canary, { recursive: true });
        mkdirSync(canary);
        writeFileSync(join(canary, "ptmx"), "untouched");
        const before = await heldBy(daemon);
        const running = ctr("run", "--rm", ...runtime, nameOf(name), `run-${name}`, "true");
        if (refused === null) await running;
        else
          await assert.rejects(running, (error: { stderr: string }) => {
            assert.ok(error.stderr.includes(`"${refused}" in the container's root is a link to`), error.stderr);
            return true;
          });
        assert.deepEqual(readdirSync(canary), ["ptmx"]);
        assert.equal(readFileSync(join(canary, "ptmx"), "utf8"), "untouched");
        assert.deepEqual(await heldBy(daemon), before);
      });
      if (runtime.length > 0) continue;
      it(`image "${name}" for berth run: ${refused === null ? "runs" : "is refused"}`, async () => {
        const berth = await berthAt(daemon.address, namespace);
        const before = await heldBy(daemon);
        const { code, stderr } = await berth("run", "--rm", nameOf(name), "true");
        assert.equal(code === 0, refused === null, stderr);
        if (refused !== null) assert.match(stderr, /^berth: "\/[a-z/]+" in the container's root is a link to .*\n$/);
        assert.deepEqual(await heldBy(daemon), before);
      });
    }
  });
