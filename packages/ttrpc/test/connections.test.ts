// How many connections a server keeps, and which of them it lets go.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, createServer } from "@berth/ttrpc";
import { Echo, EchoServer, keepingLog } from "./echo-service.ts";
import { memoryPair } from "./memory-pair.ts";
import { RawPeer } from "./raw-peer.ts";

function serve(maxConnections: number) {
  const lines: string[] = [];
  const { registration } = new EchoServer();
  const server = createServer({ registrations: [registration], log: keepingLog(lines), limits: { maxConnections } });
  const open = () => {
    const { near, far } = memoryPair({});
    server.accept(far);
    return near;
  };
  return { server, lines, open };
}

describe("more connections than a server takes", () => {
  it("end the oldest that has said nothing", async () => {
    const { server, lines, open } = serve(2);
    const first = new RawPeer(open());
    first.stream.write(new Uint8Array([0, 0, 0, 9, 0])); // half a header is nothing
    const client = createClient(open());
    await client.service(Echo).echo({});
    const third = createClient(open());
    assert.equal((await third.service(Echo).echo({ text: "in" })).text, "in");
    assert.equal(await first.frame(), null);
    assert.equal((await client.service(Echo).echo({ text: "still" })).text, "still");
    assert.equal(server.connections, 2);
    assert.equal(lines.length, 1);
  });

  it("are closed themselves where all others are in use", async () => {
    const { server, open } = serve(1);
    const client = createClient(open());
    await client.service(Echo).echo({});
    assert.equal(await new RawPeer(open()).frame(), null);
    assert.equal((await client.service(Echo).echo({ text: "still" })).text, "still");
    assert.equal(server.connections, 1);
  });
});
