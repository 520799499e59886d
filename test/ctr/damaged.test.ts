// Debian's ctr on a store with a damaged blob sees what it sees on containerd when the blob's record is gone: the image is
// incomplete, and pulling, fetching or importing it brings the blob back.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { startBerthd } from "../support/berthd.ts";
import { startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { type Registry, startRegistry } from "../support/registry.ts";
import type { Supervisor } from "../support/supervisor.ts";

const run = promisify(execFile);
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const namespace = `ctr-damaged-${process.pid}`;

let dir: string;
let registry: Registry;
let image: string;
let archive: string;

before(async () => {
  dir = mkdtempSync("/tmp/berth-ctr-damaged-");
  registry = await startRegistry();
  image = `${registry.host}/busybox:damaged`;
  archive = join(dir, "busybox.tar");
  writeBusyboxImage(archive, { format: "oci", name: image });
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const subjects: [name: string, start: () => Promise<Supervisor>, ways: readonly string[]][] = [
  ["containerd", () => startContainerd(), ["its record is gone"]],
  ["berthd", () => startBerthd(), ["it is cut short", "its record is gone"]],
];

for (const [name, start, ways] of subjects)
  describe(`ctr against ${name}`, () => {
    let subject: Supervisor;
    let parts: Record<"manifest" | "config" | "layer", string>;
    const ctr = (...args: string[]) => subject.ctr("--namespace", namespace, ...args);
    const blobsDir = () => join(subject.root, "io.containerd.content.v1.content/blobs/sha256");
    const pathOf = (digest: string) => join(blobsDir(), digest.slice("sha256:".length));

    before(async () => {
      subject = await start();
      await ctr("images", "import", "--snapshotter", "native", archive);
      const [, , target = ""] = (await ctr("images", "ls")).split("\n")[1]?.split(/\s+/) ?? [];
      const { config, layers } = JSON.parse(readFileSync(pathOf(target), "utf8"));
      parts = { manifest: target, config: config.digest, layer: layers[0].digest };
      for (const digest of Object.values(parts)) registry.blobs.set(digest, readFileSync(pathOf(digest)));
      registry.tags.set("busybox:damaged", { mediaType: MANIFEST, digest: target });
    });
    after(async () => {
      await subject?.[Symbol.asyncDispose]();
    });

    async function damage(digest: string, way: string): Promise<void> {
      if (way === "its record is gone") await ctr("content", "rm", digest);
      else truncateSync(pathOf(digest), 20);
    }
    /** ctr fails beside its table where the config cannot be read. */
    const check = async () => {
      const stdout = await ctr("images", "check", "--snapshotter", "native").catch(
        (error: { stdout: string }) => error.stdout,
      );
      return stdout.split("\n")[1] ?? "";
    };
    const labelsOf = async (digest: string): Promise<string[]> => {
      const line = (await ctr("content", "ls")).split("\n").find((one) => one.startsWith(digest)) ?? "";
      return (line.trim().split(/\s+/).at(-1) ?? "").split(",").sort();
    };
    const isWhole = async () => {
      assert.match(await check(), /\scomplete \(2\/2\)\s/);
      for (const digest of Object.values(parts))
        assert.deepEqual(readFileSync(pathOf(digest)), Buffer.from(registry.blobs.get(digest) ?? []));
    };

    for (const way of ways) {
      if (way !== "its record is gone")
        it(`a blob when ${way}: ingesting its bytes by their digest mends it`, async () => {
          const digest = parts.layer;
          const bytes = registry.blobs.get(digest) ?? new Uint8Array();
          writeFileSync(join(dir, "bytes"), bytes);
          const ingest = (ref: string) =>
            run("/bin/sh", [
              "-c",
              `exec ctr --address ${subject.address} --namespace ${namespace} content ingest --expected-digest ${digest} --expected-size ${bytes.length} ${ref} < ${dir}/bytes`,
            ]);
          await damage(digest, way);
          await ingest("first");
          await isWhole();
          await ingest("second"); // ctr takes "already exists" for success
          await isWhole();
        });

      for (const part of ["manifest", "config", "layer"] as const) {
        let labels: string[];
        it(`the ${part} of an image when ${way}: the image is not complete, and its blob is not found`, async () => {
          await isWhole();
          labels = await labelsOf(parts[part]);
          await damage(parts[part], way);
          assert.match(await check(), part === "manifest" ? /\sunavailable \(0\/\?\)\s/ : /\sincomplete \(1\/2\)\s/);
          assert.ok(!(await ctr("content", "ls", "-q")).includes(parts[part]));
          await assert.rejects(ctr("content", "get", parts[part]), /content digest sha256:[a-f0-9]{64}.*: not found/);
        });

        const mends: [how: string, args: () => string[]][] = [
          ["importing the archive", () => ["images", "import", "--snapshotter", "native", archive]],
          ["pulling the image", () => ["images", "pull", "--plain-http", "--snapshotter", "native", image]],
          ["fetching its content", () => ["content", "fetch", "--plain-http", image]],
        ];
        for (const [how, args] of mends)
          it(`the ${part} of an image when ${way}: ${how} mends it, labels and all`, async () => {
            await damage(parts[part], way).catch(() => {}); // the test before has done it
            const before = registry.fetched.length;
            await ctr(...args());
            await isWhole();
            if (way === "its record is gone") return;
            // containerd has forgotten what it knew, and may have collected the rest by now.
            if (how !== "importing the archive")
              assert.deepEqual([...new Set(registry.fetched.slice(before))], [parts[part]]);
            // A pull adds where it has pulled from.
            const now = await labelsOf(parts[part]);
            assert.deepEqual(
              labels.filter((label) => !now.includes(label)),
              [],
            );
          });
      }
    }
  });
