// What people and programs get wrong: each mistake gets one sentence with the offending name and leaves nothing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type ErrorKind, kindOf, messageOf } from "@berth/base";
import { connectGrpc, type GrpcConnection } from "@berth/grpc";
import { typeUrls } from "@berth/proto";
import { Engine } from "@berth/proto/berth/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { startBerthd } from "../support/berthd.ts";
import { makeTar, type TarEntry, writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

const image = "docker.io/library/busybox:latest";
const client = join(import.meta.dirname, "../../dist/bin/berth");
const namespace = `bad${process.pid}`;

let daemon: Supervisor;
let connection: GrpcConnection;

const berth = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(client, ["-a", daemon.address, "-n", namespace, ...args], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, stdout, stderr };
};

before(async () => {
  daemon = await startBerthd();
  connection = connectGrpc(daemon.address);
  const archive = join(daemon.dir, "image.tar");
  await writeBusyboxImage(archive, { format: "oci", name: image });
  assert.equal(berth("image", "import", archive).status, 0);
  assert.equal(berth("run", "-d", "--name", "there", image, "sleep", "100000").status, 0);
});

after(async () => {
  berth("rm", "-f", "there");
  connection.close();
  await daemon.stop();
});

/** The call is refused as said, and the world is as before. */
async function refused(kind: ErrorKind, text: RegExp, call: () => Promise<unknown>): Promise<void> {
  const beforeCall = await worldOf(daemon, namespace);
  await assert.rejects(call, (error: unknown) => {
    assert.match(messageOf(error), text);
    assert.equal(kindOf(error), kind, messageOf(error));
    assert.ok(!messageOf(error).trim().includes("\n"), `one sentence, not ${messageOf(error)}`);
    return true;
  });
  assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
}

const create = (request: object, inNamespace = namespace) =>
  connection.service(Engine).createContainer({ image, ...request }, { namespace: inNamespace });

describe("a container that cannot be made", () => {
  const cases: readonly [title: string, kind: ErrorKind, text: RegExp, request: object][] = [
    ["of an image that is not there", "not-found", /no-such:1/, { image: "no-such:1" }],
    ["with a name that is taken", "already-exists", /there/, { id: "there" }],
    ["with an invalid id", "invalid-argument", /\.\.\/x/, { id: "../x" }],
    ["with an id that is too long", "invalid-argument", /76/, { id: "x".repeat(77) }],
    ["as a user that the image has not", "invalid-argument", /nobodyhere/, { user: "nobodyhere" }],
    ["as a group that the image has not", "invalid-argument", /nogrouphere/, { user: "root:nogrouphere" }],
    ["on a runtime that is not installed", "not-found", /nothere/, { runtime: "io.containerd.nothere.v1" }],
    ["on a snapshotter that is not loaded", "invalid-argument", /zfs/, { snapshotter: "zfs" }],
    ["with an unknown capability", "invalid-argument", /CAP_FLY/, { capAdd: ["CAP_FLY"] }],
    ["with an unknown network", "invalid-argument", /moon/, { network: "moon" }],
    ["with an unknown security option", "invalid-argument", /colour/, { securityOpt: ["colour=red"] }],
    ["with a mount without a destination", "invalid-argument", /destination/, { mounts: [{ source: "/tmp" }] }],
    ["with negative memory", "invalid-argument", /memory/, { memoryLimit: -5 }],
  ];
  for (const [title, kind, text, request] of cases)
    it(`${title}: ${kind}`, () => refused(kind, text, () => create(request)));

  it("in an invalid namespace: invalid-argument", () =>
    refused("invalid-argument", /no good/, () => create({}, "no good")));
  it("without a namespace: failed-precondition", () =>
    refused("failed-precondition", /namespace is required/, () => create({}, "")));
});

describe("a spec that would cost too much to read", () => {
  const containers = () => connection.service(Containers);
  const typeUrl = typeUrls.spec;
  for (const [title, text, message] of [
    ["nested two million deep", "[".repeat(2_000_000), /spec of container "costly" is nested more than 100 deep/],
    ["of 5 MiB", " ".repeat(5 << 20), /spec of container "costly" has 5242880 bytes: at most 4194304/],
    [
      "of half a million values",
      `[${"1,".repeat(500_000)}1]`,
      /spec of container "costly" has more than 100000 values/,
    ],
  ] as const)
    it(`${title}: invalid-argument`, () =>
      refused("invalid-argument", message, () => {
        const spec = { typeUrl, value: Buffer.from(text) };
        const runtime = { name: "io.containerd.runc.v2" };
        return containers().create({ container: { id: "costly", runtime, spec } }, { namespace });
      }));
});

describe("a command that cannot be run", () => {
  it("does not exist in the image: exit 127, its name, and nothing left", async () => {
    const beforeCall = await worldOf(daemon, namespace);
    const { status, stderr } = berth("run", "--rm", image, "no-such-command");
    assert.equal(status, 127, stderr);
    assert.match(stderr, /no-such-command/);
    assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
  });
  it("is not executable: exit 126", async () => {
    const beforeCall = await worldOf(daemon, namespace);
    const { status, stderr } = berth("run", "--rm", image, "/etc/passwd");
    assert.equal(status, 126, stderr);
    assert.match(stderr, /passwd/);
    assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
  });
  it("is to be run by an OCI runtime that is missing: its name, and nothing left", async () => {
    const beforeCall = await worldOf(daemon, namespace);
    const { status, stderr } = berth("run", "--rm", "--runtime-binary", "/no/such/runtime", image, "true");
    assert.equal(status, 125, stderr);
    assert.match(stderr, /\/no\/such\/runtime/);
    assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
  });
  it("is an exec of a command that does not exist: exit 127, and the container goes on", async () => {
    const beforeCall = await worldOf(daemon, namespace);
    const { status, stderr } = berth("exec", "there", "no-such-command");
    assert.equal(status, 127, stderr);
    assert.match(stderr, /no-such-command/);
    assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
  });
});

describe("a container that is not there or not ready", () => {
  for (const [title, args, text] of [
    ["exec into an unknown one", ["exec", "ghost", "true"], /ghost/],
    ["logs of an unknown one", ["logs", "ghost"], /ghost/],
    ["stop of an unknown one", ["stop", "ghost"], /ghost/],
    ["removal of a running one without force", ["rm", "there"], /there.*running/],
    ["an unknown signal", ["kill", "-s", "SIGFLY", "there"], /SIGFLY/],
  ] as const) {
    it(`${title}: one sentence and no effect`, async () => {
      const beforeCall = await worldOf(daemon, namespace);
      const { status, stderr } = berth(...args);
      assert.notEqual(status, 0);
      assert.match(stderr, text);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
      assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
    });
  }
});

describe("an archive that cannot be imported", () => {
  const json = (value: object) => JSON.stringify(value);
  const layout: TarEntry = { path: "oci-layout", content: json({ imageLayoutVersion: "1.0.0" }) };
  const cases: readonly [title: string, text: RegExp, bytes: () => Promise<Uint8Array> | Uint8Array][] = [
    ["empty", /archive/, () => new Uint8Array()],
    ["random bytes", /archive/, () => Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251))],
    ["a tar that is no image", /index\.json|manifest\.json/, () => makeTar([{ path: "readme", content: "hello" }])],
    [
      "an index that names a missing manifest",
      /sha256:0{64}/,
      () => {
        const digest = `sha256:${"0".repeat(64)}`;
        const mediaType = "application/vnd.oci.image.manifest.v1+json";
        const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size: 3 }] };
        return makeTar([layout, { path: "index.json", content: json(index) }]);
      },
    ],
    [
      "a blob whose bytes are not its digest's",
      /sha256:1{64}/,
      () => {
        const digest = "1".repeat(64);
        const mediaType = "application/vnd.oci.image.manifest.v1+json";
        const index = { schemaVersion: 2, manifests: [{ mediaType, digest: `sha256:${digest}`, size: 2 }] };
        return makeTar([
          layout,
          { path: `blobs/sha256/${digest}`, content: "{}" },
          { path: "index.json", content: json(index) },
        ]);
      },
    ],
    [
      "an index of 100 MB",
      /index\.json/,
      () => makeTar([layout, { path: "index.json", content: Buffer.alloc(100 << 20, " ") }]),
    ],
  ];
  for (const [title, text, bytes] of cases) {
    it(`${title}: one sentence, and nothing is kept`, async () => {
      const beforeCall = await worldOf(daemon, namespace);
      const path = join(daemon.dir, "bad.tar");
      writeFileSync(path, await bytes());
      const { status, stderr } = berth("image", "import", path);
      assert.notEqual(status, 0);
      assert.match(stderr, text);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
      assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
    });
  }
  it("is cut short anywhere: one sentence, and nothing is kept", async () => {
    const whole = join(daemon.dir, "whole.tar");
    await writeBusyboxImage(whole, {
      format: "oci",
      name: "docker.io/library/cut:latest",
      extraLayers: [[{ path: "x", content: "y" }]],
    });
    const { readFileSync } = await import("node:fs");
    const bytes = readFileSync(whole);
    const beforeCall = await worldOf(daemon, namespace);
    for (const fraction of [0.1, 0.5, 0.9]) {
      const path = join(daemon.dir, "cut.tar");
      writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * fraction)));
      const { status, stderr } = berth("image", "import", path);
      assert.notEqual(status, 0, `cut at ${fraction}`);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
      assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
    }
  });
  for (const [title, layer, text] of [
    ["climbs out of the root", [{ path: "../escape", content: "x" }], /\.\.\/escape/],
    ["has a broken checksum", Buffer.alloc(1024, "a"), /layer|tar|header/],
  ] as const) {
    it(`has a layer that ${title}: one sentence, and nothing is kept`, async () => {
      const path = join(daemon.dir, "bad.tar");
      await writeBusyboxImage(path, {
        format: "oci",
        name: "docker.io/library/bad:latest",
        extraLayers: [layer as never],
      });
      const beforeCall = await worldOf(daemon, namespace);
      const { status, stderr } = berth("image", "import", path);
      assert.notEqual(status, 0);
      assert.match(stderr, text);
      assert.deepEqual(await worldOf(daemon, namespace), beforeCall);
    });
  }
});
