// The mirror for tests, with a registry behind it: each fault is what it says, and nothing else is changed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { ask, openAnswer } from "../support/registry/ask.ts";
import { makeCertificates } from "../support/registry/certificates.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { gate } from "../support/registry/gate.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { type Rule, startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { hasSkopeo, pull, push } from "../support/registry/skopeo.ts";
import { upload } from "../support/registry/upload.ts";

const skip = hasRegistry() && hasSkopeo() ? false : "needs docker-registry and skopeo";
const own = takeOwnTmp();
after(own.remove);

const SIZE = 300_000;
const image = imageOf({ compression: "none", layers: [{ size: SIZE }] });
const layout = makeLayout(join(own.dir, "layout"), image);
const [digest = "", bytes = new Uint8Array()] = [...image.blobs].find(([, { length }]) => length > SIZE) ?? [];
const manifest = Buffer.from(image.blobs.get(image.descriptor.digest) ?? "");
const blobPath = `/v2/image/blobs/${digest}`;
const manifestPath = "/v2/image/manifests/1";
const headers = { accept: image.descriptor.mediaType };

describe("a mirror", { skip }, () => {
  let registry: Registry;
  before(async () => {
    registry = await startRegistry();
    await upload(layout, registry, "image", "1");
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });
  const mirrorWith = (...rules: Rule[]) => startFaultyMirror(registry, rules);

  it("without rules: is the registry, to skopeo as well, and remembers what it was asked", async () => {
    await using mirror = await mirrorWith();
    await push(layout, `${mirror.address}/pushed:1`);
    await pull(`${mirror.address}/pushed:1`, join(own.dir, "pulled"));
    assert.ok(mirror.requests.some(({ method, path }) => method === "PUT" && path === "/v2/pushed/manifests/1"));
    const range = { range: "bytes=10-19", authorization: "Bearer nobody" };
    const { status, body } = await ask(`${mirror.url}${blobPath}?ns=example.org`, { headers: range });
    assert.deepEqual([status, body], [206, Buffer.from(bytes.subarray(10, 20))]);
    const seen = mirror.requests.at(-1);
    assert.deepEqual([seen?.path, seen?.query.get("ns"), seen?.status], [blobPath, "example.org", 206]);
    assert.deepEqual(
      [seen?.headers.range, seen?.headers.authorization, seen?.headers.host],
      [range.range, range.authorization, mirror.address],
    );
  });

  it("with TLS, before a registry with TLS", async () => {
    using certificates = await makeCertificates();
    await using secure = await startRegistry({ tls: certificates });
    await using mirror = await startFaultyMirror(secure, [], { tls: certificates });
    await push(layout, `${mirror.address}/tls:1`, { certificates });
    assert.equal((await ask(`${secure.url}/v2/tls/manifests/1`, { certificates, headers })).status, 200);
  });

  it("is down, and comes back at the same port", async () => {
    await using mirror = await mirrorWith();
    await mirror.down();
    await assert.rejects(ask(mirror.url), { code: "ECONNREFUSED" });
    await mirror.up();
    assert.equal((await ask(`${mirror.url}/v2/`)).status, 200);
  });

  it("without a registry: knows nothing but its rules", async () => {
    await using mirror = await startFaultyMirror(null, [{ path: /blobs/, fault: faults.respond(200, {}, "bytes") }]);
    assert.equal((await ask(mirror.url + manifestPath)).status, 404);
    assert.equal((await ask(mirror.url + blobPath)).body.toString(), "bytes");
  });

  it("hangs up, and does so when its registry has gone", async () => {
    await using rude = await mirrorWith({ fault: faults.hangUp() });
    await assert.rejects(ask(rude.url), { code: "ECONNRESET" });
    await using gone = await mirrorWith();
    await gone.down();
    await using mirror = await startFaultyMirror({ url: gone.url, certificates: null });
    await assert.rejects(ask(mirror.url), { code: "ECONNRESET" });
  });

  it("applies a rule to its method and path alone, so many times, until there are others", async () => {
    const busy = faults.respond(429, { "retry-after": "7" }, "later");
    await using mirror = await mirrorWith({ method: "GET", path: /\/blobs\//, times: 2, fault: busy });
    const statuses = async () => {
      const asked = [ask(mirror.url + manifestPath, { headers }), ask(mirror.url + blobPath, { method: "HEAD" })];
      return (await Promise.all([...asked, ask(mirror.url + blobPath)])).map(({ status }) => status);
    };
    assert.equal((await ask(mirror.url + blobPath)).headers["retry-after"], "7");
    assert.deepEqual(await statuses(), [200, 200, 429]);
    assert.deepEqual(await statuses(), [200, 200, 200]);
    mirror.setRules([{ fault: faults.respond(503) }]);
    assert.deepEqual(await statuses(), [503, 503, 503]);
  });

  it("applies all rules that match, the first of them last", async () => {
    await using mirror = await mirrorWith({ fault: faults.truncate(5) }, { fault: faults.flipBit(0) });
    const { body } = await ask(mirror.url + blobPath);
    assert.deepEqual(body, Buffer.from([(bytes[0] ?? 0) ^ 1, ...bytes.subarray(1, 5)]));
  });

  it("keeps a request until it may go on", async () => {
    const held = gate();
    await using mirror = await mirrorWith({ fault: faults.holdAt(held) });
    const both = [ask(mirror.url + manifestPath, { headers }), ask(mirror.url + manifestPath, { headers })];
    await held.reached(2);
    assert.deepEqual(
      mirror.requests.map(({ status }) => status),
      [0, 0],
    );
    held.open();
    for (const { body } of await Promise.all(both)) assert.deepEqual(body, manifest);
  });

  it("is slow: gives some bytes at a time", async () => {
    const pace = gate();
    await using mirror = await mirrorWith({ fault: faults.slow(100, pace) });
    const answer = await openAnswer(mirror.url + blobPath);
    pace.release();
    await once(answer, "readable");
    assert.deepEqual(answer.read(), Buffer.from(bytes.subarray(0, 100)));
    await pace.reached();
    assert.equal(mirror.requests[0]?.sent, 100);
    pace.open();
    assert.deepEqual(await buffer(answer), Buffer.from(bytes.subarray(100)));
  });

  it("stalls after some bytes, until it may go on", async () => {
    const stall = gate();
    await using mirror = await mirrorWith({ fault: faults.stallAfter(70_000, stall) });
    const asked = ask(mirror.url + blobPath);
    await stall.reached();
    assert.equal(mirror.requests[0]?.sent, 70_000);
    stall.release();
    assert.deepEqual((await asked).body, Buffer.from(bytes));
  });

  it("that stalls: a client can leave, and it can go down", async () => {
    const stall = gate();
    await using mirror = await mirrorWith({ fault: faults.stallAfter(10, stall) });
    const leave = new AbortController();
    const asked = assert.rejects(ask(mirror.url + blobPath));
    const left = assert.rejects(ask(mirror.url + blobPath, { signal: leave.signal }));
    await stall.reached(2);
    leave.abort();
    await left;
    await mirror.down();
    await asked;
  });

  for (const length of [0, 1, 70_000, bytes.length - 1])
    it(`cuts the connection after ${length} bytes`, async () => {
      await using mirror = await mirrorWith({ fault: faults.cutAfter(length) });
      const answer = await openAnswer(mirror.url + blobPath);
      let received = 0;
      answer.on("data", (chunk: Buffer) => {
        received += chunk.length;
      });
      const [error] = await once(answer, "error");
      assert.deepEqual([error.code, received], ["ECONNRESET", length]);
      assert.equal(answer.headers["content-length"], `${bytes.length}`);
    });

  it("lies about the length: less comes, or more", async () => {
    const lie = (length: number): Rule => ({ fault: faults.changeHeaders({ "content-length": `${length}` }) });
    await using mirror = await mirrorWith(lie(bytes.length + 1));
    await assert.rejects(ask(mirror.url + blobPath), { code: "ECONNRESET" });
    mirror.setRules([lie(10)]);
    assert.deepEqual((await ask(mirror.url + blobPath)).body, Buffer.from(bytes.subarray(0, 10)));
  });

  it("lies about the digest, or gives none", async () => {
    const lie = `sha256:${"0".repeat(64)}`;
    await using mirror = await mirrorWith({ fault: faults.changeHeaders({ "docker-content-digest": lie }) });
    const digestGiven = async () =>
      (await ask(mirror.url + manifestPath, { headers })).headers["docker-content-digest"];
    assert.equal(await digestGiven(), lie);
    mirror.setRules([{ fault: faults.changeHeaders({ "docker-content-digest": null }) }]);
    assert.equal(await digestGiven(), undefined);
  });

  it("gives other bytes: swapped, truncated, with a bit flipped", async () => {
    const flipped = Buffer.from(bytes);
    flipped[1234] = (flipped[1234] ?? 0) ^ 1;
    await using mirror = await mirrorWith();
    for (const [fault, expected] of [
      [faults.changeBody(() => manifest), manifest],
      [faults.truncate(1000), Buffer.from(bytes.subarray(0, 1000))],
      [faults.flipBit(1234), flipped],
    ] as const) {
      mirror.setRules([{ fault }]);
      const { body, headers } = await ask(mirror.url + blobPath);
      assert.deepEqual(body, expected);
      assert.equal(headers["content-length"], `${expected.length}`);
      assert.equal((await ask(mirror.url + blobPath, { method: "HEAD" })).headers["content-length"], `${bytes.length}`);
    }
  });

  it("never ends a manifest", async () => {
    await using mirror = await mirrorWith({ path: /\/manifests\//, fault: faults.neverEnd() });
    const answer = await openAnswer(mirror.url + manifestPath, { headers });
    assert.equal(answer.headers["content-type"], image.descriptor.mediaType);
    let received = 0;
    for await (const chunk of answer) {
      received += chunk.length;
      if (received > 10 << 20) break;
    }
  });

  it("sends clients elsewhere for blobs: it is seen there what they brought along", async () => {
    await using other = await mirrorWith();
    await using mirror = await mirrorWith({ path: /\/blobs\//, fault: faults.redirectTo(other.url) });
    const authorization = "Bearer secret";
    const { status, headers: answered } = await ask(`${mirror.url}${blobPath}?ns=x`, { headers: { authorization } });
    assert.deepEqual([status, answered.location], [307, `${other.url}${blobPath}?ns=x`]);
    // fetch leaves the header behind when it goes to another origin (Fetch standard, "HTTP-redirect fetch").
    const answer = await fetch(mirror.url + blobPath, { headers: { authorization } });
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.from(bytes));
    assert.deepEqual(
      other.requests.map(({ headers }) => headers.authorization),
      [undefined],
    );
    assert.deepEqual(
      mirror.requests.map(({ headers }) => headers.authorization),
      [authorization, authorization],
    );
  });

  it("ignores ranges, or gives another", async () => {
    const range = { range: "bytes=100-" };
    await using mirror = await mirrorWith({ fault: faults.ignoreRange() });
    const whole = await ask(mirror.url + blobPath, { headers: range });
    assert.deepEqual([whole.status, whole.body.length], [200, bytes.length]);
    assert.equal(mirror.requests[0]?.headers.range, range.range);
    const wrong = `bytes 50-${bytes.length - 1}/${bytes.length}`;
    mirror.setRules([{ fault: faults.changeHeaders({ "content-range": wrong }) }]);
    const part = await ask(mirror.url + blobPath, { headers: range });
    assert.deepEqual([part.status, part.headers["content-range"]], [206, wrong]);
    assert.deepEqual(part.body, Buffer.from(bytes.subarray(100)));
  });
});
