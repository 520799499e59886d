// What greedy peers of the built berthd cost, and that it comes back.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { startBerthd } from "../support/berthd.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { until } from "../support/until.ts";

const MIB = 1 << 20;

describe("greedy peers of berthd", () => {
  let berthd: Supervisor;
  before(async () => {
    berthd = await startBerthd();
  });
  after(() => berthd?.[Symbol.asyncDispose]());

  const memory = (): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${berthd.pid}/status`, "utf8"))?.[1]) * 1024;

  it("that leave frames unfinished are bounded together, and the memory comes back when they go", async () => {
    const idle = memory();
    const sockets: Socket[] = [];
    for (let count = 0; count < 100; count++) {
      const socket = connect(berthd.ttrpcAddress).on("error", () => {});
      await once(socket, "connect");
      const partial = Buffer.alloc(10 + 4 * MIB - 1);
      partial.writeUInt32BE(4 * MIB, 0);
      partial.writeUInt32BE(1, 4);
      partial.writeUInt8(1, 8);
      // Written, or closed by berthd.
      await new Promise<void>((resolve) => {
        socket.once("close", () => resolve());
        socket.write(partial, () => resolve());
      });
      sockets.push(socket);
    }
    await berthd.ctr("version");
    // 400 MiB were sent, of which 128 may be held.
    await until(() => sockets.filter(({ destroyed }) => !destroyed).length === 32);
    await goesBack(idle, 128 * MIB);
    for (const socket of sockets) socket.destroy();
    await goesBack(idle);
  });

  it("that leave messages of gRPC unfinished are bounded together, and the memory comes back when they go", async () => {
    const idle = memory();
    const headers = {
      ":method": "POST",
      ":path": "/containerd.services.content.v1.Content/Write",
      "content-type": "application/grpc",
      "containerd-namespace": "default",
    };
    const message = Buffer.alloc(60_000);
    // Most of it never comes.
    message.writeUInt32BE(15 * MIB, 1);
    const sessions: ClientHttp2Session[] = [];
    let refused = 0;
    for (let count = 0; count < 100; count++) {
      const createConnection = () => connect(berthd.address);
      const session = connectHttp2("http://localhost", { createConnection }).on("error", () => {});
      await once(session, "connect");
      const written = Array.from({ length: 100 }, async () => {
        const stream = session.request(headers).on("error", () => {});
        stream.once("close", () => {
          if (stream.rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM) refused++;
        });
        // Written, or closed by berthd.
        await new Promise<void>((resolve) => {
          stream.once("close", () => resolve());
          stream.write(message, () => resolve());
        });
      });
      await Promise.all(written);
      sessions.push(session);
    }
    await berthd.ctr("version");
    // 572 MiB were sent, of which 256 may be held.
    await until(() => refused >= 5_000);
    for (const session of sessions) session.destroy();
    await goesBack(idle);
  });

  const goesBack = (idle: number, held = 0): Promise<void> =>
    until(
      () => memory() <= idle + held + 64 * MIB,
      () => `memory goes back: ${memory()} bytes are kept, ${idle} were used before`,
    );
});
