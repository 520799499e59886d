// Pushes of images for several platforms: all of them, or some.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ask } from "../support/registry/ask.ts";
import { artifactOf, attestationOf, imageOf, indexOf, type Part } from "../support/registry/image-parts.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { type Pushing, pushingNeeds, startPushing } from "./pushing.ts";

const own = takeOwnTmp();
after(own.remove);

describe("berth push of an index", { skip: pushingNeeds }, () => {
  let world: Pushing;
  before(async () => {
    world = await startPushing(own.dir);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });

  const [amd64, arm64] = ["linux/amd64", "linux/arm64/v8"].map((platform, at) =>
    imageOf({ platform, layers: [{ size: 10_000, seed: `index ${at}` }] }),
  ) as [Part, Part];
  const attestation = attestationOf(amd64);
  const artifact = artifactOf("an artifact", arm64);
  const all = indexOf([amd64, attestation, indexOf([arm64]), artifact]);
  const digests = (...parts: Part[]) => parts.map(({ descriptor }) => descriptor.digest);
  let name: string;
  before(async () => {
    name = await world.bring(all);
  });

  it("brings all of it: nested indexes, attestations and artifacts", async () => {
    await world.must("push", name, `${world.registry.address}/index/all:1`);
    assert.deepEqual(await world.has("index/all", "1"), [200, all.descriptor.digest]);
    for (const digest of digests(amd64, arm64, attestation, artifact, indexOf([arm64])))
      assert.deepEqual(await world.has("index/all", digest), [200, digest]);
  });

  it("brings one platform's as a manifest", async () => {
    const to = `${world.registry.address}/index/one:1`;
    const plain = await world.bring(indexOf([amd64, arm64]));
    const [digest] = digests(arm64);
    assert.equal(await world.must("push", "--platform", "linux/arm64", plain, to), `${to}@${digest}\n`);
    assert.deepEqual(await world.has("index/one", "1"), [200, digest]);
    assert.equal((await world.has("index/one", amd64.descriptor.digest))[0], 404);
  });

  it("brings what refers to it with it, in an index of its own", async () => {
    const to = `${world.registry.address}/index/attested:1`;
    const digest = (await world.must("push", "--platform", "linux/amd64", name, to)).trim().split("@")[1] ?? "";
    const { body } = await ask(`${world.registry.url}/v2/index/attested/manifests/${digest}`, {
      headers: { accept: all.descriptor.mediaType },
    });
    const { mediaType, manifests } = JSON.parse(body.toString());
    assert.equal(mediaType, all.descriptor.mediaType);
    assert.deepEqual(manifests, [amd64.descriptor, attestation.descriptor]);
    assert.equal((await world.has("index/attested", arm64.descriptor.digest))[0], 404);
  });

  it("brings several platforms' in an index of their own, and all of them in its own one", async () => {
    const riscv = imageOf({ platform: "linux/riscv64", layers: [{ size: 1_000, seed: "index 3" }] });
    const three = await world.bring(indexOf([amd64, arm64, riscv]));
    const platforms = ["linux/amd64", "linux/riscv64", "linux/arm64"].flatMap((one) => ["--platform", one]);
    const to = `${world.registry.address}/index/several:1`;
    const { descriptor } = indexOf([amd64, riscv]);
    assert.equal(await world.must("push", ...platforms.slice(0, 4), three, to), `${to}@${descriptor.digest}\n`);
    assert.equal(
      await world.must("push", ...platforms, three, to),
      `${to}@${indexOf([amd64, arm64, riscv]).descriptor.digest}\n`,
    );
  });

  it("says what is not here, and what may be pushed", async () => {
    const arm64Alone = imageOf({ platform: "linux/arm64", layers: [{ size: 998, seed: "not here" }] });
    const part = await world.bring(
      indexOf([imageOf({ layers: [{ size: 999, seed: "here" }] }), artifactOf("not here"), arm64Alone]),
      "--no-unpack",
    );
    const to = `${world.registry.address}/index/part:1`;
    await world.refused(
      /^berth: image .*\/image\d+:1 cannot be pushed: of its manifests these are not here as a whole: sha256:[0-9a-f]{64}, linux\/arm64 \(sha256:[0-9a-f]{64}\): fetch them with berth pull --all-platforms, or push what is here with --platform linux\/amd64$/,
      "push",
      part,
      to,
    );
    await world.refused(/these are not here as a whole: linux\/arm64/, "push", "--platform", "linux/arm64", part, to);
    await world.refused(
      /manifest "sha256:[0-9a-f]{64} for platform linux\/s390x": not found$/,
      "push",
      "--platform",
      "linux/s390x",
      part,
      to,
    );
    assert.equal((await world.has("index/part", "1"))[0], 404);
    await world.must("push", "--platform", "linux/amd64", part, to);
    assert.equal((await world.has("index/part", "1"))[0], 200);
  });
});
