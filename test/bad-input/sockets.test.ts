// Truncated and random bytes on every socket: whoever sends them is dropped, and nobody else notices.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { it } from "node:test";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { processesNaming } from "../support/leftovers.ts";

const image = "docker.io/library/busybox:latest";
const client = join(import.meta.dirname, "../../dist/bin/berth");
const namespace = `sockets${process.pid}`;
const rounds = process.env.BERTH_LONG ? 2000 : 150;

/** Sends the bytes and leaves, once the other side has had the chance to read them. */
function send(path: string, bytes: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect(path, () => socket.end(bytes));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") fail(error);
    });
    socket.setTimeout(200, () => socket.destroy());
    socket.resume();
    socket.on("close", () => done());
  });
}

/** A ttrpc header with whatever stands in it. */
function frame(length: number, stream: number, type: number, flags: number, body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(length >>> 0, 0);
  header.writeUInt32BE(stream >>> 0, 4);
  header[8] = type;
  header[9] = flags;
  return Buffer.concat([header, body]);
}

const http2 = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const messages: readonly (() => Uint8Array)[] = [
  () => randomBytes(1 + Math.floor(Math.random() * 4096)),
  () => randomBytes(Math.floor(Math.random() * 10)),
  () => frame(100, 1, 1, 0, randomBytes(20)),
  () => frame(40, 1, 1, 0, randomBytes(40)),
  () => frame(0xffffffff, 3, 1, 0, randomBytes(100)),
  () => frame((4 << 20) + 1, 5, 1, 0, randomBytes(1 << 16)),
  () => frame(0, 2, 1, 0, new Uint8Array()),
  () => frame(4, 7, 3, 5, randomBytes(4)),
  () => frame(0, 1, 255, 255, new Uint8Array()),
  () => Buffer.concat([http2, randomBytes(300)]),
  () => http2.subarray(0, 10),
];

it(`sent ${rounds} times, they end neither the supervisor nor a shim`, async () => {
  await using daemon = await startBerthd();
  const berth = (...args: string[]) =>
    spawnSync(client, ["-a", daemon.address, "-n", namespace, ...args], { encoding: "utf8", timeout: 60_000 });
  const archive = join(daemon.dir, "image.tar");
  await writeBusyboxImage(archive, { format: "oci", name: image });
  assert.equal(berth("image", "import", archive).status, 0);
  assert.equal(berth("run", "-d", "--name", "target", image, "sleep", "100000").status, 0);
  const bundle = join(daemon.state, "io.containerd.runtime.v2.task", namespace, "target");
  const shimSocket = readFileSync(join(bundle, "address"), "utf8").trim().slice("unix://".length);
  const shims = () => processesNaming(daemon.dir).filter(({ command }) => command.includes("shim"));
  const shimBefore = shims();
  const { pid } = daemon;

  for (let round = 0; round < rounds; round++)
    for (const path of [daemon.address, daemon.ttrpcAddress, shimSocket])
      await send(path, (messages[round % messages.length] as () => Uint8Array)());

  process.kill(pid, 0);
  assert.deepEqual(shims(), shimBefore);
  const exec = berth("exec", "target", "sh", "-c", "echo alive; exit 5");
  assert.deepEqual([exec.stdout, exec.status], ["alive\n", 5]);
  assert.match(await daemon.ctr("version"), /Server:/);
  assert.equal(berth("rm", "-f", "target").status, 0);
});
