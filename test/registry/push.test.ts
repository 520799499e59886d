// Pushes through berthd to a real registry, and what other tools then find there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startContainerd } from "../support/containerd.ts";
import { digestOf, imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import type { FaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { pull as skopeoPull } from "../support/registry/skopeo.ts";
import { upload } from "../support/registry/upload.ts";
import { namespace, type Pushing, pushingNeeds, startPushing } from "./pushing.ts";

const own = takeOwnTmp();
after(own.remove);

const bytesSent = ({ requests }: FaultyMirror): number =>
  requests
    .filter(({ path, method }) => method !== "HEAD" && path.includes("/blobs/"))
    .reduce((sum, { headers }) => sum + Number(headers["content-length"] ?? 0), 0);

describe("berth push", { skip: pushingNeeds }, () => {
  let world: Pushing;
  before(async () => {
    world = await startPushing(own.dir);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });

  for (const types of ["oci", "docker"] as const)
    for (const compression of ["gzip", "none", "zstd"] as const)
      it(`brings an image of ${types} with layers of ${compression} as it is`, async () => {
        const image = imageOf({
          busybox: true,
          layers: [{ size: 100_000, seed: `${types} ${compression}` }],
          types,
          compression,
        });
        const name = await world.bring(image);
        const to = `${world.registry.address}/${types}/${compression}:1`;
        assert.equal(await world.must("push", name, to), `${to}@${image.descriptor.digest}\n`);
        assert.deepEqual(await world.has(`${types}/${compression}`, "1"), [200, image.descriptor.digest]);
        assert.deepEqual(await world.leases(), []);
        // skopeo does not know this one.
        if (types === "docker" && compression === "zstd") return;
        const into = join(own.dir, `skopeo-${types}-${compression}`);
        await skopeoPull(to, into);
        assert.equal(digestOf(readFileSync(join(into, "manifest.json"))), image.descriptor.digest);
        for (const [digest, bytes] of image.blobs)
          if (digest !== image.descriptor.digest)
            assert.ok(readFileSync(join(into, digest.replace("sha256:", ""))).equals(bytes), digest);
      });

  it("brings what containerd pulls and runs berth's own", async () => {
    const image = imageOf({ busybox: true, layers: [{ size: 10_000, seed: "ctr" }] });
    const name = await world.bring(image);
    const to = `${world.registry.address}/for-ctr:1`;
    await world.must("push", name, to);
    await using containerd = await startContainerd();
    await containerd.ctr("-n", namespace, "images", "pull", "--plain-http", to);
    const listed = await containerd.ctr("-n", namespace, "images", "ls");
    assert.ok(String(listed).includes(image.descriptor.digest));
  });

  it("sends nothing that is there, and the tag alone that is not", async () => {
    await using mirror = await world.through("again.example");
    const name = await world.bring(imageOf({ layers: [{ size: 10_000, seed: "again" }] }));
    await world.must("push", name, "again.example/a:1");
    const first = mirror.requests.length;
    const { stderr } = await world.berth("push", name, "again.example/a:1");
    assert.match(stderr, /again\.example\/a:1@sha256:[0-9a-f]{64}: all of it was there, in /);
    const second = mirror.requests.slice(first);
    assert.deepEqual(
      second.map(({ method, status }) => [method, status]),
      [1, 2, 3].map(() => ["HEAD", 200]),
    );
    await world.must("push", name, "again.example/a:2");
    const third = mirror.requests.slice(first + second.length).filter(({ method }) => method !== "HEAD");
    assert.deepEqual(
      third.map(({ method, path }) => [method, path]),
      [["PUT", "/v2/a/manifests/2"]],
    );
  });

  it("mounts what another repository of the registry has", async () => {
    await using mirror = await world.through("mounts.example");
    const image = imageOf({ layers: [1, 2, 3].map((count) => ({ size: 100_000, seed: `mount ${count}` })) });
    await upload(makeLayout(join(own.dir, "mounts"), image), world.registry, "team/base", "1");
    await world.must("pull", "--no-unpack", "mounts.example/team/base:1");
    const { stderr } = await world.berth(
      "push",
      "--progress",
      "plain",
      "mounts.example/team/base:1",
      "mounts.example/team/app:1",
    );
    assert.equal(stderr.match(/: mounted, /g)?.length, 3);
    assert.equal(bytesSent(mirror), 0);
    const posts = mirror.requests.filter(({ method }) => method === "POST");
    assert.deepEqual(new Set(posts.map(({ query }) => query.get("from"))), new Set(["team/base"]));
    assert.deepEqual(await world.has("team/app", "1"), [200, image.descriptor.digest]);
  });

  it("pushes to its own name, under latest, or by digest alone", async () => {
    const image = imageOf({ layers: [{ size: 1_000, seed: "own name" }] });
    const { digest } = image.descriptor;
    const name = await world.bring(image);
    assert.equal(await world.must("push", name), `${name}@${digest}\n`);
    assert.equal(
      await world.must("push", name, `${world.registry.address}/tagless`),
      `${world.registry.address}/tagless:latest@${digest}\n`,
    );
    const repository = `${world.registry.address}/by-digest`;
    assert.equal(await world.must("push", name, `${repository}@${digest}`), `${repository}@${digest}\n`);
    assert.deepEqual(await world.has("by-digest", digest), [200, digest]);
    assert.equal((await world.has("by-digest", "latest"))[0], 404);
    const other = `sha256:${"0".repeat(64)}`;
    await world.refused(
      new RegExp(`^berth: what is pushed has the digest ${digest}, but the reference says ${other}$`),
      "push",
      name,
      `${repository}@${other}`,
    );
  });

  it("shows how far it is: in lines, in JSON, or not at all", async () => {
    const image = imageOf({ layers: [{ size: 20_000, seed: "shown" }] });
    const name = await world.bring(image);
    const to = `${world.registry.address}/shown`;
    const { digest } = image.descriptor;
    const plain = await world.berth("push", "--progress", "plain", name, `${to}:1`);
    assert.match(plain.stderr, new RegExp(`^${to}:1: to ${world.registry.address}\\n`));
    assert.match(plain.stderr, /\nsha256:[0-9a-f]{64}: done, .*\n.*@sha256:[0-9a-f]{64}: .* sent to .*, in .* s\n$/);
    const json = (await world.must("push", "--progress", "json", name, `${to}:2`)).trim().split("\n");
    const all = json.map((line) => JSON.parse(line));
    assert.deepEqual(all.at(-1), { image: { name: `${to}:2`, digest } });
    assert.deepEqual([all.at(-2).progress.stage, all.at(-2).progress.host], ["done", world.registry.address]);
    const quiet = await world.berth("push", "-q", name, `${to}:3`);
    assert.deepEqual([quiet.stdout, quiet.stderr], [`${to}:3@${digest}\n`, ""]);
  });

  it("pushes what ctr has pulled through berthd", async () => {
    const image = imageOf({ layers: [{ size: 5_000, seed: "by ctr" }] });
    await upload(makeLayout(join(own.dir, "by-ctr"), image), world.source, "by-ctr", "1");
    const name = `${world.source.address}/by-ctr:1`;
    await world.berthd.ctr("-n", namespace, "images", "pull", "--plain-http", name);
    await world.must("push", name, `${world.registry.address}/by-ctr:1`);
    assert.deepEqual(await world.has("by-ctr", "1"), [200, image.descriptor.digest]);
  });
});
