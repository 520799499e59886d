// Pushes that are cut, refused, or asked for wrongly: what comes of them, and what is said.
import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ask } from "../support/registry/ask.ts";
import { startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { gate } from "../support/registry/gate.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { startTokenServer } from "../support/registry/token-server.ts";
import { until } from "../support/until.ts";
import { type Pushing, pushingNeeds, startPushing } from "./pushing.ts";

const own = takeOwnTmp();
after(own.remove);

const largestChunk = 32 << 20;

describe("berth push that fails", { skip: pushingNeeds }, () => {
  let world: Pushing;
  before(async () => {
    world = await startPushing(own.dir);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });

  it("goes on with a large layer where it was cut", async () => {
    const image = imageOf({ compression: "none", layers: [{ size: largestChunk + 1_000_000, seed: "large" }] });
    await using mirror = await world.through("large.example");
    let patches = 0;
    mirror.setRules([
      { method: "PATCH", fault: (call, pass) => (++patches === 2 ? faults.hangUp()(call, pass) : pass(call)) },
    ]);
    await world.must("push", await world.bring(image), "large.example/large:1");
    const sent = mirror.requests
      .filter(({ method }) => method === "PATCH")
      .map(({ headers }) => headers["content-range"]);
    const layer = Math.max(...[...image.blobs.values()].map(({ length }) => length));
    const rest = `${largestChunk}-${layer - 1}`;
    assert.deepEqual(sent, [`0-${largestChunk - 1}`, rest, rest]);
    assert.deepEqual(await world.has("large", "1"), [200, image.descriptor.digest]);
  });

  it("sends no damaged layer, known as such or not", async () => {
    const image = imageOf({ layers: [{ size: 700_000, seed: "damaged" }] });
    const name = await world.bring(image);
    const [digest = ""] = [...image.blobs].find(([, { length }]) => length > 700_000) ?? [];
    const path = join(
      world.berthd.root,
      "io.containerd.content.v1.content/blobs/sha256",
      digest.replace("sha256:", ""),
    );
    const bytes = readFileSync(path);
    writeFileSync(
      path,
      bytes.map((byte, at) => (at === 600_000 ? byte ^ 1 : byte)),
    );
    const to = `${world.registry.address}/damaged:1`;
    for (let count = 0; count < 2; count++)
      await world.refused(
        new RegExp(`^berth: layer ${digest} is damaged \\(.*\\): import or pull the image again$`),
        "push",
        name,
        to,
      );
    assert.equal((await ask(`${world.registry.url}/v2/damaged/blobs/${digest}`)).status, 404);
    await world.must("pull", "--no-unpack", name);
    await world.must("push", name, to);
    truncateSync(path, 100);
    await world.refused(
      / is damaged \(it has 100 bytes instead of \d+\)/,
      "push",
      name,
      `${world.registry.address}/other:1`,
    );
  });

  for (const [status, words] of [
    [403, /it answers 403\. Its owner has to allow it: berth login may help$/],
    [404, /it answers 404\. Some registries want a repository to be made before its first push$/],
    [429, /it answers 429$/],
    [500, /it answers 500$/],
  ] as const)
    it(`says what ${status} means`, async () => {
      const rule = { method: "POST", fault: faults.respond(status, { "retry-after": "3600" }) };
      await using _ = await world.through(`answers-${status}.example`, rule);
      const name = await world.bring(imageOf({ layers: [{ size: 1_000, seed: `status ${status}` }] }));
      await world.refused(words, "push", name, `answers-${status}.example/a:1`);
    });

  it("says of a registry that is read only", async () => {
    const rule = {
      method: "POST",
      fault: faults.respond(
        405,
        {},
        JSON.stringify({ errors: [{ code: "UNSUPPORTED", message: "The operation is unsupported." }] }),
      ),
    };
    await using _ = await world.through("read-only.example", rule);
    const name = await world.bring(imageOf({ layers: [{ size: 1_000, seed: "read only" }] }));
    await world.refused(
      /^berth: blob sha256:[0-9a-f]{64} cannot be pushed to read-only\.example\/a: .*it answers 405 \(The operation is unsupported\.\): it takes no pushes$/,
      "push",
      name,
      "read-only.example/a:1",
    );
  });

  it("logs in by htpasswd and by tokens, and says where it has no credentials", async () => {
    const user = { user: "me", password: "secret" };
    const auth = Buffer.from("me:secret").toString("base64");
    const name = await world.bring(imageOf({ layers: [{ size: 1_000, seed: "login" }] }));
    await using tokens = await startTokenServer({ users: { me: "secret" }, anonymous: ["a"] });
    await using byPassword = await startRegistry({ auth: { kind: "htpasswd", ...user } });
    await using byToken = await startRegistry({ auth: tokens.auth });
    for (const { address } of [byPassword, byToken]) {
      const to = `${address}/a:1`;
      const nobody = await world.as({})("push", name, to);
      assert.match(
        nobody.stderr,
        new RegExp(`^berth: (image|blob) .* cannot be pushed.*log in with berth login ${address}\\n$`),
      );
      const wrong = await world.as({ auths: { [address]: { username: "me", password: "guess" } } })("push", name, to);
      assert.match(wrong.stderr, /refuses the credentials/);
      const known = await world.as({ auths: { [address]: { auth } } })("push", name, to);
      assert.deepEqual([known.code, known.stdout.startsWith(`${to}@sha256:`)], [0, true], known.stderr);
    }
    assert.ok(tokens.requests.every(({ scopes }) => scopes.includes("repository:a:pull,push")));
  });

  it("ends with its client, and leaves nothing here", async () => {
    const held = gate();
    await using mirror = await world.through("killed.example", {
      method: "PUT",
      path: /blobs/,
      fault: faults.holdAt(held),
    });
    const name = await world.bring(imageOf({ layers: [{ size: 1_000, seed: "killed" }] }));
    const beforeIt = await world.content();
    const { child, ended } = world.berth.start("push", name, "killed.example/killed:1");
    await held.reached();
    child.kill("SIGKILL");
    await ended;
    await until(async () => (await world.leases()).length === 0);
    held.open();
    assert.deepEqual(await world.content(), beforeIt);
    assert.equal((await world.has("killed", "1"))[0], 404);
    await world.must("push", name, "killed.example/killed:1");
    assert.ok(mirror.requests.some(({ method, status }) => method === "PUT" && status === 201));
    assert.deepEqual(await world.content(), beforeIt);
  });

  it("refuses what is no image, no reference or no platform, in one sentence", async () => {
    const name = await world.bring(imageOf({ layers: [{ size: 1_000, seed: "bad input" }] }));
    await world.refused(/^berth: image "docker\.io\/library\/nothing-here:latest": not found/, "push", "nothing-here");
    for (const reference of ["docker.io/UPPER/case", "a//b", "http://a/b", "a:b:c", "x@sha256:1"])
      await world.refused(/^berth: image reference .* is invalid: /, "push", name, reference);
    for (const platform of ["linux/", "a/b/c/d"])
      await world.refused(/^berth: platform .* is none: write it as OS\/ARCH/, "push", "--platform", platform, name);
    await world.refused(/for platform linux\/s390x": not found$/, "push", "--platform", "linux/s390x", name);
    world.configure("pull-only.example", `server = "${world.registry.url}"\ncapabilities = ["pull", "resolve"]\n`);
    await world.refused(/has no endpoint with the capability push$/, "push", name, "pull-only.example/image");
  });
});
