// The registries that tests of clients run against: each does what it says, and leaves nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { type Asked, ask, basic } from "../support/registry/ask.ts";
import { makeCertificates } from "../support/registry/certificates.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import { artifactOf, attestationOf, digestOf, imageOf, indexOf, type Part } from "../support/registry/image-parts.ts";
import { type Layout, makeLayout } from "../support/registry/layout.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { hasSkopeo, pull, push } from "../support/registry/skopeo.ts";
import { upload } from "../support/registry/upload.ts";

const skip = hasRegistry() && hasSkopeo() ? false : "needs docker-registry and skopeo";

const own = takeOwnTmp();
after(own.remove);

let layouts = 0;
const layoutOf = (part: Part): Layout => makeLayout(join(own.dir, `layout-${layouts++}`), part);
const pulledDigest = (into: string): string => digestOf(readFileSync(join(into, "manifest.json")));
const small = imageOf({ layers: [{ size: 1000 }] });
const user = "tester";
const password = "pass:word é";
const right = { user, password };

const images = ["linux/amd64", "linux/arm64/v8", "windows/amd64"].map((platform) =>
  imageOf({ platform, layers: [{ size: 100, seed: platform.replaceAll("/", "-") }] }),
);
const manifestOf = ({ url }: Registry, repository: string, reference: string, accept: string): Promise<Asked> =>
  ask(`${url}/v2/${repository}/manifests/${reference}`, { headers: { accept } });

describe("images for tests", { skip }, () => {
  after(own.assertNothingLeft);

  for (const types of ["oci", "docker"] as const)
    for (const compression of ["none", "gzip", "zstd"] as const) {
      // skopeo does not know layers of this media type.
      if (types === "docker" && compression === "zstd") continue;
      it(`${types} with ${compression}: goes into a registry and out of it as it is`, async () => {
        await using registry = await startRegistry();
        const layout = layoutOf(
          imageOf({ types, compression, layers: [{ size: 3000 }, { size: 500, content: "text" }] }),
        );
        await push(layout, `${registry.address}/some/image:1`);
        const into = join(own.dir, `${types}-${compression}`);
        await pull(`${registry.address}/some/image:1`, into);
        assert.equal(pulledDigest(into), layout.top.digest);
      });
    }

  it("are the same bytes each time, and others with another seed", () => {
    const make = (seed: string) => imageOf({ layers: [{ size: 5000, seed }] }).descriptor.digest;
    assert.equal(make("a"), make("a"));
    assert.notEqual(make("a"), make("b"));
  });

  it("docker with zstd: can be uploaded", async () => {
    await using registry = await startRegistry();
    const { descriptor, blobs } = imageOf({ types: "docker", compression: "zstd", layers: [{ size: 3000 }] });
    await upload(layoutOf({ descriptor, blobs }), registry, "some/image", "1");
    const { status, body } = await manifestOf(registry, "some/image", "1", descriptor.mediaType);
    assert.deepEqual([status, digestOf(body)], [200, descriptor.digest]);
  });

  it("an index of platforms, attestations and another index: goes in as it is", async () => {
    await using registry = await startRegistry();
    const inner = indexOf(images.slice(1));
    const top = indexOf([...images, ...images.map(attestationOf), inner]);
    await push(layoutOf(top), `${registry.address}/all:1`);
    for (const { descriptor } of [top, inner, ...images, ...images.map(attestationOf)]) {
      const { status, body } = await manifestOf(registry, "all", descriptor.digest, descriptor.mediaType);
      assert.deepEqual([status, digestOf(body)], [200, descriptor.digest]);
    }
  });

  it("an index with an artifact: can be uploaded", async () => {
    await using registry = await startRegistry();
    const artifact = artifactOf("some file", images[0]);
    const { descriptor, blobs } = indexOf([...images, artifact]);
    await upload(layoutOf({ descriptor, blobs }), registry, "artifact", "1");
    const { body } = await manifestOf(registry, "artifact", artifact.descriptor.digest, artifact.descriptor.mediaType);
    const { artifactType, subject } = JSON.parse(body.toString());
    assert.deepEqual([artifactType, subject.digest], [artifact.descriptor.artifactType, images[0]?.descriptor.digest]);
  });

  it("a manifest list of Docker's", async () => {
    await using registry = await startRegistry();
    const list = indexOf([imageOf({ types: "docker", layers: [{ size: 100 }] })], "docker");
    await push(layoutOf(list), `${registry.address}/list:1`);
    const into = join(own.dir, "list");
    await pull(`${registry.address}/list:1`, into);
    assert.equal(pulledDigest(into), list.descriptor.digest);
  });

  it("one with busybox: containerd pulls it, and runs it", {
    skip: hasContainerd() ? false : "needs containerd and root",
  }, async () => {
    await using registry = await startRegistry();
    await using containerd = await startContainerd();
    const name = `${registry.address}/busybox:1`;
    await push(layoutOf(imageOf({ busybox: true, layers: [{ size: 10 }] })), name);
    await containerd.ctr("images", "pull", "--plain-http", name);
    assert.equal(await containerd.ctr("run", "--rm", name, `run${process.pid}`, "wc", "-c", "/data-0"), "10 /data-0\n");
  });
});

describe("a registry", { skip }, () => {
  after(own.assertNothingLeft);

  it("deletes manifests and blobs", async () => {
    await using registry = await startRegistry();
    await push(layoutOf(small), `${registry.address}/gone:1`);
    const digests = [...small.blobs.keys()];
    for (const digest of digests) {
      const kind = digest === small.descriptor.digest ? "manifests" : "blobs";
      const url = `${registry.url}/v2/gone/${kind}/${digest}`;
      assert.equal((await ask(url, { method: "DELETE" })).status, 202);
      assert.equal((await ask(url)).status, 404);
    }
    assert.match(registry.log(), /DELETE/);
  });

  it("with TLS: is trusted by those who know its authority, under both names", async () => {
    using certificates = await makeCertificates();
    using others = await makeCertificates();
    await using registry = await startRegistry({ tls: certificates });
    for (const host of [registry.address, registry.localhost]) {
      assert.equal((await ask(`https://${host}/v2/`, { certificates })).status, 200);
      await assert.rejects(ask(`https://${host}/v2/`, { certificates: others }), {
        code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      });
      await push(layoutOf(small), `${host}/tls:1`, { certificates });
      await assert.rejects(push(layoutOf(small), `${host}/tls:1`, { certificates: others }), /unknown authority/);
    }
  });

  it("with client certificates: refuses those without", async () => {
    using certificates = await makeCertificates();
    await using registry = await startRegistry({ tls: certificates, clientAuth: true });
    const [url, name] = [`${registry.url}/v2/`, `${registry.address}/client:1`];
    assert.equal((await ask(url, { certificates, asClient: true })).status, 200);
    await push(layoutOf(small), name, { certificates, asClient: true });
    // Which error it is depends on what comes first, the alert or the connection's end (RFC 8446, section 4.4.2.4).
    await assert.rejects(ask(url, { certificates }));
    await assert.rejects(push(layoutOf(small), name, { certificates }));
  });

  it("with a password: challenges everybody else", async () => {
    await using registry = await startRegistry({ auth: { kind: "htpasswd", user, password } });
    const statusFor = async (headers: Record<string, string>) => (await ask(`${registry.url}/v2/`, { headers })).status;
    const { status, headers } = await ask(`${registry.url}/v2/`);
    assert.deepEqual([status, headers["www-authenticate"]], [401, 'Basic realm="berth test"']);
    assert.equal(await statusFor({ authorization: basic(user, "wrong") }), 401);
    assert.equal(await statusFor({ authorization: basic(user, password) }), 200);
    await push(layoutOf(small), `${registry.address}/basic:1`, { credentials: right });
    await assert.rejects(
      push(layoutOf(small), `${registry.address}/basic:1`, { credentials: { user, password: "wrong" } }),
      /unauthorized|authentication required/,
    );
  });

  it("that cannot start says why", async () => {
    using certificates = await makeCertificates();
    const server = { certificate: "/nonexistent", key: "/nonexistent" };
    await assert.rejects(startRegistry({ tls: { ...certificates, server } }), /open \/nonexistent: no such file/);
  });

  it("goes when its test fails", async () => {
    await assert.rejects(async () => {
      await using registry = await startRegistry();
      throw new Error(`a test of ${registry.address}`);
    }, /a test of/);
    own.assertNothingLeft();
  });
});
