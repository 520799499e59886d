// Apart from the frames, which are tested inside the host too: only Node's runner has a clock that a test moves.
import assert from "node:assert/strict";
import { it } from "node:test";
import { createServer } from "@berth/ttrpc";
import { Echo, EchoServer, keepingLog, Note } from "./echo-service.ts";
import { memoryPair } from "./memory-pair.ts";
import { RawPeer } from "./raw-peer.ts";

const DATA = 3;
const echoing = { service: "test.Echo", method: "Echo", payload: Note.encode({}) };

it("a server fails a stream whose handler reads nothing for a second, and serves the others meanwhile", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { near, far } = memoryPair();
  const echo = new EchoServer();
  const impl = { ...echo.impl, sum: () => new Promise<Note>(() => {}) };
  const server = createServer({
    registrations: [{ service: Echo as never, impl }],
    log: keepingLog([]),
  });
  server.accept(far);
  const peer = new RawPeer(near);
  peer.request(1, 2, { service: "test.Echo", method: "Sum" });
  for (let i = 0; i < 66; i++) peer.send(1, DATA, 0, Note.encode({ count: i }));
  peer.request(3, 0, echoing);
  assert.equal((await peer.status()).id, 3);
  t.mock.timers.tick(999);
  peer.request(5, 0, echoing);
  assert.equal((await peer.status()).id, 5);
  t.mock.timers.tick(1);
  const message = "data handling error: ttrpc: stream buffer full";
  assert.deepEqual(await peer.status(), { id: 1, code: 3, message });
});
