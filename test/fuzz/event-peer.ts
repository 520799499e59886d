// The daemon's end for a shim's events, which answers as none would.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Response } from "@berth/proto/ttrpc";
import { encodeFrame, FrameDecoder, FrameType, MAX_DATA } from "@berth/ttrpc";
import { joined, mutateBytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { hostileStrings } from "./random-message.ts";

export interface EventPeer extends AsyncDisposable {
  /** Of its socket. */
  readonly path: string;
  /** Requests that have come, however they were answered. */
  requests(): number;
  /** From now on each is answered well. */
  behave(): void;
}

export async function startEventPeer(random: Random): Promise<EventPeer> {
  const top = mkdtempSync("/tmp/berth-fuzz-events-");
  const path = join(top, "s");
  const sockets = new Set<Socket>();
  let requests = 0;
  let behaves = false;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // the shim has hung up: a right answer to nonsense
    socket.once("close", () => sockets.delete(socket));
    const decoder = new FrameDecoder({
      onFrame(stream) {
        requests++;
        if (behaves || random.chance(0.7)) {
          socket.write(taken(stream));
          return;
        }
        socket.write(wrongAnswer(random, stream));
        // Else the shim waits for the rest of it as long as it waits for any answer: seconds.
        if (random.chance(0.95)) socket.end();
      },
      onOversized: () => socket.destroy(),
    });
    socket.on("data", (chunk) => decoder.push(chunk as Buffer));
  });
  await new Promise<void>((done) => server.listen(path, done));
  return {
    path,
    requests: () => requests,
    behave() {
      behaves = true;
      // Whoever waits for an answer that never came begins again.
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
      rmSync(top, { recursive: true, force: true });
    },
  };
}

const answerWith = (stream: number, response: Uint8Array) => encodeFrame(stream, FrameType.response, 0, response);
const taken = (stream: number) => answerWith(stream, Response.encode({}));

function wrongAnswer(random: Random, stream: number): Uint8Array {
  const refusal = Response.encode({ status: { code: random.int(-1, 20), message: random.pick(hostileStrings) } });
  switch (random.int(0, 9)) {
    case 0:
      return new Uint8Array(0);
    case 1:
      return answerWith(stream, refusal);
    case 2:
      return mutateBytes(random, answerWith(stream, refusal));
    case 3:
      return answerWith(stream, mutateBytes(random, refusal));
    case 4:
      return taken(random.pick([0, 1, 2, stream + 2, 0xffffffff]));
    case 5:
      return joined(taken(stream), taken(stream), answerWith(stream, refusal));
    case 6:
      return random.bytes(random.int(1, 100));
    case 7: {
      const frame = joined(taken(stream), random.bytes(random.int(0, 3000)));
      new DataView(frame.buffer).setUint32(0, MAX_DATA + random.int(-1, 2));
      return frame;
    }
    case 8:
      return encodeFrame(stream, random.int(0, 255), random.int(0, 255), random.bytes(random.int(0, 50)));
    default:
      return taken(stream).subarray(0, random.int(1, 9));
  }
}
