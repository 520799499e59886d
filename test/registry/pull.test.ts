// Pulls through berthd, of a real registry's images, beside those of containerd.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectGrpc } from "@berth/grpc";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { commandOf } from "../support/command.ts";
import { startContainerd } from "../support/containerd.ts";
import { ask } from "../support/registry/ask.ts";
import { makeCertificates } from "../support/registry/certificates.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { gate } from "../support/registry/gate.ts";
import { artifactOf, attestationOf, imageOf, indexOf, type Part } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { type FaultyMirror, startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { startTokenServer } from "../support/registry/token-server.ts";
import { upload } from "../support/registry/upload.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { until } from "../support/until.ts";

const namespace = `pull-${process.pid}`;
const own = takeOwnTmp();
after(own.remove);

const verifiers = join(own.dir, "verifiers");

/** What a store has of a namespace: names, blobs with their labels, snapshots. */
async function storeOf({ address }: Supervisor) {
  using connection = connectGrpc(address);
  const options = { namespace };
  const { images } = await connection.service(Images).list({}, options);
  const content = (await Array.fromAsync(connection.service(Content).list({}, options))).flatMap(({ info }) => info);
  const { statuses } = await connection.service(Content).listStatuses({}, options);
  const { leases } = await connection.service(Leases).list({}, options);
  const snapshots = await Array.fromAsync(connection.service(Snapshots).list({ snapshotter: "overlayfs" }, options));
  return {
    images: images.map(({ name, target }) => `${name} ${target?.mediaType} ${target?.digest} ${target?.size}`),
    content: Object.fromEntries(content.map(({ digest, size, labels }) => [digest, { size, labels: { ...labels } }])),
    snapshots: snapshots
      .flatMap(({ info }) => info.map(({ name, parent, kind }) => `${name} ${parent} ${kind}`))
      .sort(),
    ingests: statuses.map(({ ref, offset }) => `${ref} ${offset}`),
    leases: leases.map(({ id }) => id),
  };
}

describe("berth pull", { skip: hasRegistry() ? false : "needs docker-registry" }, () => {
  let registry: Registry;
  let berthd: Supervisor;
  let containerd: Supervisor;
  let berth: Berth;
  let made = 0;
  /** Puts it under a repository of its own: `HOST:PORT/NAME:1`. */
  async function put(part: Part, to: Registry = registry): Promise<string> {
    const repository = `image${made++}`;
    await upload(makeLayout(join(own.dir, repository), part), to, repository, "1");
    return `${to.address}/${repository}:1`;
  }
  async function must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await berth(...args);
    assert.equal(code, 0, `berth ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
  /** Nothing is left of a pull that cannot succeed. */
  async function refused(words: RegExp, ...args: string[]): Promise<void> {
    const beforeIt = await storeOf(berthd);
    const { code, stdout, stderr } = await berth(...args);
    assert.deepEqual([code, stdout], [125, ""], stderr);
    assert.match(stderr.split("\n").at(-2) ?? "", words);
    assert.deepEqual(await storeOf(berthd), beforeIt);
  }
  const hosts = () => join(own.dir, "hosts");
  /** A registry of this name that has these endpoints. */
  function configure(name: string, text: string): void {
    mkdirSync(join(hosts(), name), { recursive: true });
    writeFileSync(join(hosts(), name, "hosts.toml"), text);
  }
  const mirrors = (name: string, ...all: FaultyMirror[]) =>
    configure(name, `server = "${registry.url}"\n${all.map(({ url }) => `[host."${url}"]\n`).join("")}`);

  before(async () => {
    registry = await startRegistry();
    mkdirSync(hosts());
    const config = `[plugins."io.containerd.grpc.v1.cri".registry]
config_path = ${JSON.stringify(hosts())}
[plugins."io.containerd.image-verifier.v1.bindir"]
bin_dir = ${JSON.stringify(verifiers)}
`;
    berthd = await startBerthd({ config });
    containerd = await startContainerd();
    const plain = await berthAt(berthd.address, namespace);
    berth = plain;
    mkdirSync(join(own.dir, "docker"));
  });
  after(async () => {
    await berthd?.stop();
    await containerd?.stop();
    await registry?.[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });

  for (const types of ["oci", "docker"] as const)
    for (const compression of ["gzip", "none", "zstd"] as const)
      it(`has what containerd has, of an image of ${types} with layers of ${compression}`, async () => {
        const image = imageOf({ busybox: true, layers: [{ size: 100_000 }, { size: 300_000 }], types, compression });
        const name = await put(image);
        assert.equal(await must("pull", name), `${name}\n`);
        assert.equal(await must("run", "--rm", name, "echo", "runs"), "runs\n");
        // containerd 1.6 does not know this one.
        if (types === "docker" && compression === "zstd") return;
        await containerd.ctr("-n", namespace, "images", "pull", "--plain-http", name);
        const [ours, theirs] = [await storeOf(berthd), await storeOf(containerd)];
        assert.deepEqual(
          theirs.images.filter((line) => !ours.images.includes(line)),
          [],
        );
        for (const [digest, blob] of Object.entries(theirs.content))
          assert.deepEqual(ours.content[digest], blob, digest);
        for (const line of theirs.snapshots) assert.ok(ours.snapshots.includes(line), line);
        assert.deepEqual([ours.ingests, ours.leases], [[], []]);
      });

  it("is what ctr pulls through berthd as well, and what a second pull finds", async () => {
    const name = await put(imageOf({ layers: [{ size: 50_000 }] }));
    await berthd.ctr("-n", namespace, "images", "pull", "--plain-http", name);
    const there = await storeOf(berthd);
    const { stderr } = await berth("pull", name);
    assert.match(stderr, /all of it was here/);
    assert.deepEqual((await storeOf(berthd)).content, there.content);
  });

  it("is pushed by ctr through berthd, as it was", async () => {
    const image = imageOf({ layers: [{ size: 70_000, seed: "ctr push" }] });
    const name = await put(image);
    await must("pull", name);
    const to = `${registry.address}/pushed-by-ctr:1`;
    await berthd.ctr("-n", namespace, "images", "push", "--plain-http", to, name);
    const headers = { accept: image.descriptor.mediaType };
    const { status, headers: answer } = await ask(`${registry.url}/v2/pushed-by-ctr/manifests/1`, { headers });
    assert.deepEqual([status, answer["docker-content-digest"]], [200, image.descriptor.digest]);
  });

  it("takes this machine's image of an index, another one where it is asked for, or all", async () => {
    const [amd64, arm64] = ["linux/amd64", "linux/arm64/v8"].map((platform, at) =>
      imageOf({ platform, layers: [{ size: 10_000, seed: `platform ${at}` }] }),
    ) as [Part, Part];
    const artifact = artifactOf("an artifact", amd64);
    const nested = indexOf([indexOf([arm64]), attestationOf(amd64), amd64, artifact]);
    const name = await put(nested);
    const has = async (part: Part) => part.descriptor.digest in (await storeOf(berthd)).content;
    await must("pull", name);
    assert.deepEqual([await has(amd64), await has(arm64), await has(artifact)], [true, false, false]);
    await must("pull", "--platform", "linux/arm64", name);
    assert.deepEqual([await has(arm64), await has(artifact)], [true, false]);
    await must("pull", "--all-platforms", name);
    assert.equal(await has(artifact), true);
    assert.match(await must("image", "check", name), /: complete$/m);
    await refused(
      /manifest "sha256:[0-9a-f]{64} for platform linux\/s390x": not found$/,
      "pull",
      "--platform",
      "linux/s390x",
      name,
    );
  });

  it("takes a digest for a name, with its tag or without", async () => {
    const image = imageOf({ layers: [{ size: 1_000, seed: "by digest" }] });
    const name = await put(image);
    const repository = name.slice(0, -2);
    const { digest } = image.descriptor;
    assert.equal(await must("pull", `${repository}@${digest}`), `${repository}@${digest}\n`);
    assert.equal(await must("pull", `${name}@${digest}`), `${name}@${digest}\n`);
    const other = `sha256:${"0".repeat(64)}`;
    await refused(/^berth: manifest .* cannot be pulled: .*it answers 404/, "pull", `${repository}@${other}`);
  });

  it("asks the mirrors that hosts.toml names, and the registry in the end", async () => {
    await using broken = await startFaultyMirror(registry, [{ fault: faults.respond(500) }]);
    await using lying = await startFaultyMirror(registry, [{ path: /blobs/, fault: faults.flipBit(100) }]);
    mirrors("many.example", broken, lying);
    const name = (await put(imageOf({ layers: [{ size: 200_000, seed: "mirrors" }] }))).replace(
      /^[^/]+/,
      "many.example",
    );
    await must("pull", name);
    assert.match(await must("image", "check", name), /: complete$/m);
    assert.ok(broken.requests.every(({ query }) => query.get("ns") === "many.example"));
    assert.ok(lying.requests.some(({ path, status }) => path.includes("/blobs/") && status === 200));
  });

  it("refuses bytes of another digest, where nobody sends the right ones", async () => {
    await using lying = await startFaultyMirror(registry, [{ path: /blobs/, fault: faults.flipBit(100) }]);
    configure("lies.example", `server = "${lying.url}"`);
    const name = (await put(imageOf({ layers: [{ size: 200_000, seed: "lies" }] }))).replace(/^[^/]+/, "lies.example");
    await refused(
      /blob sha256:[0-9a-f]{64} of lies\.example\/image\d+ cannot be pulled: http:\/\/127\.0\.0\.1:\d+\/v2 sends bytes of another digest/,
      "pull",
      name,
    );
  });

  it("refuses a manifest that is not as long as the registry says", async () => {
    const lie = faults.changeHeaders({ "content-length": "5" });
    await using lying = await startFaultyMirror(registry, [{ method: "HEAD", path: /manifests/, fault: lie }]);
    configure("long.example", `server = "${lying.url}"`);
    const name = (await put(imageOf({ layers: [{ size: 10, seed: "long" }] }))).replace(/^[^/]+/, "long.example");
    await refused(/manifest sha256:[0-9a-f]{64} has \d+ bytes, and was announced with 5$/, "pull", name);
    const honest = name.replace("long.example", registry.address);
    await must("pull", honest);
    await refused(/has \d+ bytes, and was announced with 5$/, "pull", name);
  });

  it("that fails leaves the blobs alone that another one is fetching", async () => {
    const stopped = gate();
    await using mirror = await startFaultyMirror(registry);
    configure("shared.example", `server = "${mirror.url}"`);
    const shared = { size: 1 << 20, seed: "shared by two" };
    const [good, bad] = await Promise.all(
      ["good", "bad"].map(async (seed) => {
        const image = imageOf({ layers: [shared, { size: 10_000, seed }], compression: "none" });
        return { image, name: (await put(image)).replace(/^[^/]+/, "shared.example") };
      }),
    );
    const layersOf = ({ blobs, descriptor }: Part): string[] =>
      JSON.parse(Buffer.from(blobs.get(descriptor.digest) ?? "").toString()).layers.map(
        ({ digest }: { digest: string }) => digest,
      );
    const [both = ""] = layersOf(good?.image as Part);
    const [, missing = ""] = layersOf(bad?.image as Part);
    mirror.setRules([
      { path: new RegExp(`blobs/${both}`), fault: faults.stallAfter(300_000, stopped) },
      { path: new RegExp(`blobs/${missing}`), fault: faults.respond(404) },
    ]);
    const pulling = berth("pull", good?.name ?? "");
    await stopped.reached();
    const failed = await berth("pull", bad?.name ?? "");
    assert.match(failed.stderr, /it answers 404/);
    stopped.open();
    const { code, stderr } = await pulling;
    assert.equal(code, 0, stderr);
    const requests = mirror.requests.filter(({ path }) => path.endsWith(both));
    assert.equal(requests.length, 1);
  });

  it("fetches a blob once, whoever asks for it at the same time", async () => {
    const held = gate();
    await using slow = await startFaultyMirror(registry, [{ path: /blobs/, fault: faults.holdAt(held) }]);
    configure("once.example", `server = "${slow.url}"`);
    const name = (await put(imageOf({ layers: [{ size: 9_000, seed: "once" }] }))).replace(/^[^/]+/, "once.example");
    const all = [1, 2, 3].map(() => berth("pull", "-q", name));
    await held.reached();
    held.open();
    for (const { code, stdout } of await Promise.all(all)) assert.deepEqual([code, stdout], [0, `${name}\n`]);
    const blobs = slow.requests.filter(({ path, method }) => method === "GET" && path.includes("/blobs/"));
    assert.equal(blobs.length, new Set(blobs.map(({ path }) => path)).size);
  });

  for (const what of ["its client", "berthd"] as const)
    it(`goes on where it was when ${what} is killed`, async () => {
      const stopped = gate();
      const layers = [1, 2].map((count) => ({ size: 2 << 20, seed: `killed ${what} ${count}` }));
      const image = imageOf({ layers, compression: "none" });
      await using mirror = await startFaultyMirror(registry);
      const host = `${what.replace(" ", "-")}.example`;
      configure(host, `server = "${mirror.url}"`);
      const name = (await put(image)).replace(/^[^/]+/, host);
      const [, second = ""] = [...image.blobs].flatMap(([digest, { length }]) => (length > 2 << 20 ? [digest] : []));
      mirror.setRules([{ path: new RegExp(`blobs/${second}`), fault: faults.stallAfter(1 << 20, stopped) }]);
      const { child, ended } = berth.start("pull", name);
      await stopped.reached();
      const arrived = () => storeOf(berthd).then(({ ingests }) => ingests);
      // The other layer is here, and this one in part.
      await until(async () => `${await arrived()}` === `layer-${second} ${1 << 20}`);
      if (what === "berthd") {
        await berthd.end("SIGKILL");
        child.kill("SIGKILL");
        await ended;
        await berthd.restart();
      } else {
        child.kill("SIGKILL");
        await ended;
      }
      mirror.setRules([]);
      const before = mirror.requests.length;
      await must("pull", name);
      const again = mirror.requests.slice(before).filter(({ path }) => path.includes("/blobs/"));
      assert.deepEqual(
        again.map(({ path, headers }) => [path.slice(path.lastIndexOf("/") + 1), headers.range]),
        [[second, `bytes=${1 << 20}-${(image.blobs.get(second)?.length ?? 0) - 1}`]],
      );
      const { ingests, leases } = await storeOf(berthd);
      assert.deepEqual([ingests, leases], [[], []]);
      // Not before: the first pull would go on for as long as berthd does not know that its client has gone.
      stopped.open();
    });

  it("shows credentials of the user's docker config, and says where it has none", async () => {
    const user = { user: "me", password: "secret" };
    await using guarded = await startRegistry({ auth: { kind: "htpasswd", ...user } });
    const auth = Buffer.from(`${user.user}:${user.password}`).toString("base64");
    const directory = join(own.dir, "docker");
    const as = (text: object) => {
      writeFileSync(join(directory, "config.json"), JSON.stringify(text));
      return commandOf({
        program: join(import.meta.dirname, "../../dist/bin/berth"),
        env: { ...process.env, BERTH_ADDRESS: berthd.address, BERTH_NAMESPACE: namespace, DOCKER_CONFIG: directory },
      });
    };
    const name = `${guarded.address}/nothing:1`;
    const nobody = await as({})("pull", name);
    assert.match(nobody.stderr, new RegExp(`log in with berth login ${guarded.address}\\n$`));
    const known = await as({ auths: { [guarded.address]: { auth } } })("pull", name);
    assert.match(known.stderr, /it answers 404/);
    const wrong = await as({ auths: { [guarded.address]: { username: "me", password: "guess" } } })("pull", name);
    assert.match(wrong.stderr, /refuses the credentials: log in again with berth login/);
  });

  it("gets its tokens, and speaks TLS as hosts.toml says", async () => {
    using certificates = await makeCertificates();
    await using tokens = await startTokenServer({ anonymous: ["image"], tls: certificates });
    await using secure = await startRegistry({ tls: certificates, auth: tokens.auth });
    configure("secure.example", `server = "${secure.url}"\nca = "${certificates.ca}"`);
    await refused(/it answers 404/, "pull", "secure.example/image:1");
    configure("secure.example", `server = "${secure.url}"`);
    await refused(/its certificate's authority is not known here/, "pull", "secure.example/image:1");
    configure("secure.example", `server = "${secure.url}"\nca = "missing.pem"`);
    await refused(/hosts\.toml.*missing\.pem/, "pull", "secure.example/image:1");
  });

  it("is refused by a program of the operator's, with its reason, before anything is fetched", async () => {
    const image = imageOf({ layers: [{ size: 5_000, seed: "verified" }] });
    const name = await put(image);
    const { digest } = image.descriptor;
    /** Writes down what it was asked, and does what the test wants. */
    const verifier = (file: string, script: string): void =>
      writeFileSync(
        join(verifiers, file),
        `#!/bin/sh\necho "$@" >${own.dir}/asked\ncat >>${own.dir}/asked\n${script}\n`,
        {
          mode: 0o755,
        },
      );
    mkdirSync(verifiers);
    verifier("10-accepts", "exit 0");
    verifier("20-refuses", "echo it is not signed; exit 1");
    const refusal = new RegExp(`may not be pulled: 20-refuses in ${verifiers} refuses it: it is not signed$`);
    await refused(refusal, "pull", name);
    assert.equal(
      readFileSync(join(own.dir, "asked"), "utf8"),
      `-name ${name} -digest ${digest} -stdin-media-type application/vnd.oci.descriptor.v1+json\n${JSON.stringify({ mediaType: image.descriptor.mediaType, digest, size: image.descriptor.size })}`,
    );
    verifier("20-refuses", "kill -9 $$");
    await refused(/image verifier .*20-refuses was ended by SIGKILL$/, "pull", name);
    rmSync(join(verifiers, "20-refuses"));
    await must("pull", name);
    writeFileSync(join(verifiers, "30-broken"), "no program", { mode: 0o644 });
    await refused(/image verifier .*30-broken cannot be run: /, "pull", name);
    rmSync(verifiers, { recursive: true });
  });

  it("shows how far it is: in lines, in JSON, or not at all", async () => {
    const image = imageOf({ layers: [{ size: 20_000, seed: "shown" }] });
    const name = await put(image);
    const lines = (await must("pull", "--progress", "json", name)).trim().split("\n");
    const all = lines.map((line) => JSON.parse(line));
    assert.deepEqual(all.at(-1), { image: { name, digest: image.descriptor.digest } });
    assert.equal(all.at(-2).progress.stage, "done");
    const quiet = await berth("pull", "-q", name);
    assert.deepEqual([quiet.stdout, quiet.stderr], [`${name}\n`, ""]);
  });

  it("is made for a run where the image is missing, and never or always where that is asked for", async () => {
    const name = await put(imageOf({ busybox: true, layers: [{ size: 1_000, seed: "run" }] }));
    const never = await berth("run", "--rm", "--pull", "never", name, "true");
    assert.deepEqual([never.code, /fetch it with berth pull/.test(never.stderr)], [125, true]);
    assert.equal(await must("run", "--rm", name, "echo", "pulled"), "pulled\n");
    const again = await berth("run", "--rm", name, "echo", "there");
    assert.deepEqual([again.stdout, again.stderr], ["there\n", ""]);
    const always = await berth("run", "--rm", "--pull", "always", name, "echo", "again");
    assert.deepEqual([always.stdout, /all of it was here/.test(always.stderr)], ["again\n", true]);
    const missing = `${name.slice(0, -1)}2`;
    const failed = await berth("run", "--rm", missing, "true");
    assert.equal(failed.code, 125);
    assert.match(failed.stderr, /cannot be pulled: .*Check its name and its tag\n$/);
    const detached = await berth("run", "-d", "--name", "pulled", missing, "true");
    assert.deepEqual([detached.code, await must("ps", "-aq")], [125, ""]);
  });

  it("refuses what is no image, or no reference, before anything is fetched", async () => {
    const name = await put(artifactOf("no image"));
    await refused(/is no image/, "pull", name);
    assert.equal(await must("pull", "--no-unpack", name), `${name}\n`);
    for (const reference of [
      "",
      "docker.io/UPPER/case",
      "a//b",
      "http://a/b",
      "a:b:c",
      `x@sha256:1`,
      `a/${"b".repeat(300)}`,
    ])
      await refused(/^berth: image reference .* is invalid: /, "pull", reference);
    await refused(/the connection was refused: nothing listens there/, "pull", "127.0.0.1:1/image");
    for (const platform of ["linux/", "a/b/c/d"])
      await refused(/^berth: platform .* is none: write it as OS\/ARCH/, "pull", "--platform", platform, name);
  });
});
