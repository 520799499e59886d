// `berth image check` on a real berthd, beside Debian's ctr.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { startBerthd } from "../support/berthd.ts";
import { makeTar, writeBusyboxImage } from "../support/image.ts";
import { filesOpenIn } from "../support/processes.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { type Berth, berthAt, testNamespace } from "./berth.ts";

const NAME = "docker.io/library/busybox:check";
const MENDED = "berth image import ARCHIVE, with the archive that it came from, or pull it again";

let berthd: Supervisor;
let berth: Berth;
let folder: string;
let archive: string;
let parts: { manifest: string; config: string; layer: string };

before(async () => {
  folder = mkdtempSync("/tmp/berth-check-");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address);
  archive = join(folder, "busybox.tar");
  const { manifestDigest: manifest, configDigest: config } = writeBusyboxImage(archive, { format: "oci", name: NAME });
  await importAgain();
  const { layers } = JSON.parse(readFileSync(pathOf(manifest), "utf8"));
  parts = { manifest, config, layer: layers[0].digest };
});
after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const importAgain = async () => assert.equal((await berth("image", "import", archive)).code, 0);
const pathOf = (digest: string) =>
  join(berthd.root, "io.containerd.content.v1.content/blobs/sha256", digest.slice("sha256:".length));
const ctr = (...args: string[]) => berthd.ctr("--namespace", testNamespace, ...args);
/** What ctr calls the image; it fails beside its table where it cannot read the config. */
const ctrSays = async (): Promise<string> => {
  const table = await ctr("images", "check").catch((error: { stdout: string }) => error.stdout);
  return /\s((?:in)?complete|unavailable) \(/.exec(table.split("\n")[1] ?? "")?.[1] ?? table;
};

/** Whether berthd has the file open. */
const isOpen = (path: string): boolean => filesOpenIn(berthd.pid).includes(path);

/** Changes one bit in the middle of a file. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

describe("berth image check", () => {
  it("says that an image is complete, by any of its names", async () => {
    for (const names of [[], [NAME], ["busybox:check"], [NAME, "busybox:check"]])
      assert.deepEqual(await berth("image", "check", ...names), { code: 0, stdout: `${NAME}: complete\n`, stderr: "" });
  });

  it("of a namespace without images says nothing", async () => {
    assert.deepEqual(await berth("--namespace", "empty", "image", "check"), { code: 0, stdout: "", stderr: "" });
  });

  for (const [what, seen] of [
    ["manifest", "unavailable"],
    ["config", "incomplete"],
    ["layer", "incomplete"],
  ] as const)
    it(`finds a ${what} whose bytes have changed: ctr calls the image ${seen} then, and importing it again mends it`, async () => {
      const digest = parts[what];
      flip(pathOf(digest));
      // Of a changed manifest ctr makes what it says now.
      if (what !== "manifest") assert.equal(await ctrSays(), "complete", "by its size it is");
      const why = "its bytes have changed";
      const report = `${NAME}: damaged\n  damaged: ${what} ${digest}: ${why}\n`;
      assert.deepEqual(await berth("image", "check", NAME), {
        code: 1,
        stdout: `${report}  to mend it: berth image check --repair, or ${MENDED}\n`,
        stderr: "",
      });
      assert.equal(await ctrSays(), seen);
      await assert.rejects(ctr("content", "get", digest), /not found: it is damaged \(its bytes have changed\)/);
      const ran = await berth("run", "--rm", NAME, "echo", "ran");
      if (what === "layer") assert.equal(ran.stdout, "ran\n", "it is unpacked");
      else
        assert.match(ran.stderr, new RegExp(`^berth: .*${digest} is damaged \\(${why}\\): import or pull the image`));
      assert.deepEqual(await berth("image", "check", "--repair"), {
        code: 1,
        stdout: `${report}  no copy is on berthd's disk; to mend it: ${MENDED}\n`,
        stderr: "",
      });
      const { code, stdout } = await berth("image", "check", "--json");
      assert.deepEqual(
        [code, JSON.parse(stdout)],
        [
          1,
          {
            name: NAME,
            digest: parts.manifest,
            state: "damaged",
            problems: [{ what, id: digest, state: "damaged", why }],
            repaired: [],
          },
        ],
      );
      await importAgain();
      assert.equal((await berth("image", "check")).stdout, `${NAME}: complete\n`);
      assert.equal(await ctrSays(), "complete");
      assert.equal((await berth("run", "--rm", NAME, "echo", "ran")).stdout, "ran\n");
    });

  it("repairs from what a start has put aside, and says so", async () => {
    const aside = join(berthd.root, "io.berth.quarantine.v1/20990101T120000.000Z/blobs");
    mkdirSync(aside, { recursive: true });
    writeFileSync(join(aside, parts.layer.slice("sha256:".length)), readFileSync(pathOf(parts.layer)));
    const size = readFileSync(pathOf(parts.layer)).length;
    truncateSync(pathOf(parts.layer), 9);
    assert.deepEqual(await berth("image", "check", "--repair"), {
      code: 0,
      stdout: `${NAME}: complete\n  repaired: layer ${parts.layer}: it has 9 bytes instead of ${size}\n`,
      stderr: "",
    });
    rmSync(aside, { recursive: true });
    assert.equal((await berth("image", "check")).code, 0);
  });

  it("says what is missing after ctr has removed it", async () => {
    await ctr("content", "rm", parts.config);
    const { code, stdout } = await berth("image", "check");
    assert.equal(code, 1);
    const line = `  missing: config ${parts.config}: it is not in the content store\n`;
    assert.ok(stdout.startsWith(`${NAME}: missing\n${line}`), stdout);
    await importAgain();
    assert.equal((await berth("image", "check")).code, 0);
  });

  for (const [title, args, message] of [
    ["an image that is not there", ["nothere"], /^berth: image "docker\.io\/library\/nothere:latest": not found\n$/],
    [
      "one beside another that is",
      [NAME, "nothere"],
      /^berth: image "docker\.io\/library\/nothere:latest": not found\n$/,
    ],
    [
      "an image of another namespace",
      ["--namespace", "foreign", NAME],
      /^berth: image ".*busybox:check": not found\n$/,
    ],
    ["what can be no image's name", ["No Name"], /^berth: image reference "No Name" is invalid: [^\n]*\n$/],
  ] as const)
    it(`names ${title}, and checks nothing`, async () => {
      const { code, stdout, stderr } = await berth("image", "check", ...args);
      assert.deepEqual([code, stdout], [125, ""]);
      assert.match(stderr, message);
    });

  it("goes on while images come and go and the collector runs", async () => {
    for (let round = 0; round < 5; round++) {
      const name = `docker.io/library/passing:${round}`;
      const path = join(folder, `passing-${round}.tar`);
      const layer = makeTar([{ path: `file-${round}`, content: Buffer.alloc(1 << 20, round) }]);
      writeBusyboxImage(path, { format: "oci", name, extraLayers: [layer], compression: "none" });
      assert.equal((await berth("image", "import", path)).code, 0);
      const [checked, removed] = await Promise.all([berth("image", "check"), berth("image", "rm", "--sync", name)]);
      assert.equal(removed.code, 0);
      assert.deepEqual([checked.code, checked.stderr], [0, ""], checked.stdout);
      assert.match(checked.stdout, /^docker\.io\/library\/busybox:check: complete\n/);
    }
  });

  it("an interrupt in the middle leaves nothing, and berthd goes on", async () => {
    const name = "docker.io/library/large:1";
    const path = join(folder, "large.tar");
    const layer = makeTar([{ path: "large", content: Buffer.alloc(32 << 20, "x") }]);
    writeBusyboxImage(path, { format: "oci", name, extraLayers: [layer], compression: "none" });
    assert.equal((await berth("image", "import", path)).code, 0);
    const digest = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
    const aside = join(berthd.root, "io.berth.quarantine.v1/20990102T120000.000Z/blobs");
    const copy = join(aside, digest.slice("sha256:".length));
    mkdirSync(aside, { recursive: true });
    copyFileSync(pathOf(digest), copy);
    flip(pathOf(digest));
    // While the blob is hashed, and while its copy takes its place.
    for (const read of [pathOf(digest), copy]) {
      const { child, ended } = berth.start("image", "check", "--repair", name);
      while (!isOpen(read)) {
        assert.equal(child.exitCode, null, "it has ended before");
        await nextTurn();
      }
      child.kill("SIGINT");
      assert.notEqual((await ended).code, 0);
      while (isOpen(read)) await nextTurn();
      assert.equal((await ctr("leases", "ls", "-q")).trim(), "");
      assert.equal((await ctr("content", "active")).trim().split("\n").length, 1, "its header");
    }
    assert.equal((await berth("image", "check", name)).code, 1, "it is damaged as before");
    const { code, stdout } = await berth("image", "check", "--repair", name);
    assert.deepEqual([code, stdout.split("\n")[0]], [0, `${name}: complete`]);
    rmSync(aside, { recursive: true });
    assert.equal((await berth("image", "rm", "--sync", name)).code, 0);
  });
});
