// A shim that was killed before it had told anybody its address leaves a socket that only its place says whose it was.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { it } from "node:test";
import { openFakeHost } from "./fake-shim.ts";

const name = (digit: string): string => digit.repeat(64);

it("goes at the next start; sockets of shims that live, and other files, stay", async () => {
  await using host = await openFakeHost();
  const directory = join(host.state, "s");
  mkdirSync(directory, { recursive: true });
  const listening = async (path: string) => {
    const server = createServer().listen(path);
    await once(server, "listening");
    return server;
  };
  const dead = await listening(join(directory, name("a")));
  // One that closes removes its socket, where it finds it.
  renameSync(join(directory, name("a")), join(directory, name("b")));
  dead.close();
  await once(dead, "close");
  const alive = await listening(join(directory, name("c")));
  writeFileSync(join(directory, name("d")), "");
  try {
    const runtime = await host.open();
    await runtime.reconnect();
    assert.deepEqual(readdirSync(directory).sort(), [name("c"), name("d")]);
  } finally {
    alive.close();
  }
});
