// Bytes on the shim's socket: frames that are random, cut, damaged, too long, or never come to their end.

import assert from "node:assert/strict";
import { ConnectRequest, KillRequest, StateRequest } from "@berth/proto/containerd/task/v2";
import { Request } from "@berth/proto/ttrpc";
import { encodeFrame, MAX_DATA } from "@berth/ttrpc";
import { until } from "../shim/harness.ts";
import { assertFlat } from "./flat.ts";
import { type Connection, type LiveShim, startShim } from "./live-shim.ts";
import { joined, mutateBytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import type { Budget, Target } from "./target.ts";

const methods = [
  ["Connect", ConnectRequest.encode({ id: "c0" })],
  ["State", StateRequest.encode({ id: "c0" })],
  ["Kill", KillRequest.encode({ id: "c0", signal: 9 })],
] as const;

function validFrame(random: Random, id: number): Uint8Array {
  const [method, payload] = random.pick(methods);
  const request = Request.encode({ service: "containerd.task.v2.Task", method, payload, timeoutNano: 1e9 });
  return encodeFrame(id, 1, 0, request);
}

const header = (length: number, id: number, type: number, flags: number): Uint8Array => {
  const frame = encodeFrame(id, type, flags, new Uint8Array(0));
  new DataView(frame.buffer).setUint32(0, length);
  return frame;
};

/** What one connection sends, and whether it then stays and says nothing. */
function input(random: Random): Uint8Array {
  const id = () => random.pick([0, 1, 1, 1, 2, 3, 5, 0x7fffffff, 0xffffffff]);
  switch (random.int(0, 8)) {
    case 0:
      return random.bytes(random.int(0, 3000));
    case 1:
      return mutateBytes(random, validFrame(random, 1));
    case 2:
      return mutateBytes(random, joined(...[1, 3, 5, 7].map((each) => validFrame(random, each))));
    case 3:
      return validFrame(random, 1).subarray(0, random.int(0, 30));
    case 4:
      return joined(
        header(MAX_DATA + random.int(-1, 2), id(), random.int(0, 4), random.int(0, 8)),
        random.bytes(random.int(0, 5000)),
      );
    case 5:
      return joined(header(0xffffffff, id(), 1, 0), random.bytes(100));
    case 6:
      return encodeFrame(id(), random.int(0, 255), random.int(0, 255), random.bytes(random.int(0, 200)));
    case 7: {
      // The envelope is right, what is in it is not.
      const [method, payload] = random.pick(methods);
      const request = { service: "containerd.task.v2.Task", method, payload: mutateBytes(random, payload) };
      return encodeFrame(1, 1, 0, Request.encode(request));
    }
    default:
      return encodeFrame(1, 1, 0, mutateBytes(random, validFrame(random, 1).subarray(10)));
  }
}

/** Sends the bytes, perhaps in pieces. */
function send(random: Random, { socket }: Connection, bytes: Uint8Array): void {
  socket.on("error", () => {}); // being thrown out is a right answer
  socket.resume();
  const cut = random.chance(0.3) ? random.int(0, bytes.length) : bytes.length;
  socket.write(bytes.subarray(0, cut));
  if (cut < bytes.length) setImmediate(() => socket.write(bytes.subarray(cut)));
}

/** Far more connections than a shim takes, each with a half frame of megabytes. */
async function flood(shim: LiveShim): Promise<void> {
  const connections: Connection[] = [];
  for (let i = 0; i < 100; i++) {
    const connection = await shim.connect();
    connection.socket.on("error", () => {}); // it is one too many
    connection.socket.write(joined(header(MAX_DATA, 1, 1, 0), new Uint8Array(100_000)));
    connections.push(connection);
  }
  await shim.check();
  assert.ok(shim.descriptors().length < 60, "most of them have been closed");
  for (const { socket } of connections) socket.destroy();
}

export const shimFrames: Target = {
  name: "shim-frames",
  inputs: 300,
  async run({ random, more }: Budget) {
    await using shim = await startShim();
    const flat = assertFlat(shim);
    let count = 0;
    let silent: Connection[] = [];
    for (let round = 0; more(count); round++) {
      const before = shim.descriptors().length;
      const burst = random.pick([1, 1, 4, 8]);
      const connections = await Promise.all(Array.from({ length: burst }, () => shim.connect()));
      for (const connection of connections) send(random, connection, input(random));
      count += burst;
      await shim.check();
      for (const connection of connections) {
        if (random.chance(0.1)) silent.push(connection);
        else connection.socket.destroy();
      }
      if (silent.length > 10) {
        for (const { socket } of silent) socket.destroy();
        silent = [];
        await until(() => shim.descriptors().length <= before);
      }
      if (round % 50 === 49) {
        await flood(shim);
        flat.look();
      }
    }
    for (const { socket } of silent) socket.destroy();
    await flat.settled();
    await shim.end();
    return count;
  },
};
