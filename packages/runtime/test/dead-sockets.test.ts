// A shim that was killed before it had told anybody its address leaves a socket that only its place says whose it was.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { it } from "node:test";
import { openFakeHost } from "./fake-shim.ts";

const name = (digit: string): string => digit.repeat(64);

/** Of a process in another network namespace, whose sockets the kernel does not list here. */
async function listeningElsewhere(path: string): Promise<ChildProcess> {
  const script = "require('net').createServer().listen(process.argv[1], () => console.log('listening'))";
  const child = spawn("unshare", ["-n", process.execPath, "-e", script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

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
  const elsewhere = process.getuid?.() === 0 ? await listeningElsewhere(join(directory, name("e"))) : null;
  try {
    const runtime = await host.open();
    await runtime.reconnect();
    const left = [name("c"), name("d"), ...(elsewhere === null ? [] : [name("e")])];
    assert.deepEqual(readdirSync(directory).sort(), left);
  } finally {
    elsewhere?.kill("SIGKILL");
    alive.close();
  }
});
