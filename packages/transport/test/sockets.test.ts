import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { claimSocket, dial, listen, NobodyListens, nodeByteStream } from "../src/index.ts";

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (error: unknown) => `${kindOf(error)}: ${messageOf(error)}`,
  );

function place(): Disposable & { at(name: string): string } {
  const directory = mkdtempSync(join(tmpdir(), "berth-transport-"));
  return {
    at: (name) => join(directory, name),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}

async function listening(path: string): Promise<Server & AsyncDisposable> {
  const server = createServer((socket) => socket.on("error", () => {}));
  server.listen(path);
  await once(server, "listening");
  return Object.assign(server, { [Symbol.asyncDispose]: async () => void server.close() });
}

/** What a killed process leaves. One that closes removes its socket, where it finds it. */
async function stale(path: string): Promise<void> {
  const server = await listening(path);
  renameSync(path, `${path}~`);
  server.close();
  await once(server, "close");
  renameSync(`${path}~`, path);
}

it("claims a path with private directories, and replaces the socket of a dead server", async () => {
  using here = place();
  const path = here.at("a/b/s.sock");
  await claimSocket(path);
  assert.equal(statSync(here.at("a")).mode & 0o777, 0o700);
  await stale(path);
  assert.ok(statSync(path).isSocket());
  await claimSocket(path);
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
});

it("lets others pass through the directories that are said to be passed", async () => {
  using here = place();
  await claimSocket(here.at("state/sub/s.sock"), [here.at("state")]);
  assert.equal(statSync(here.at("state")).mode & 0o777, 0o711);
  assert.equal(statSync(here.at("state/sub")).mode & 0o777, 0o700);
});

it("leaves a living server's socket and every other file", async () => {
  using here = place();
  await using _ = await listening(here.at("s.sock"));
  assert.match(await outcome(claimSocket(here.at("s.sock"))), /^failed-precondition: another berthd answers/);
  writeFileSync(here.at("s.txt"), "precious");
  assert.match(await outcome(claimSocket(here.at("s.txt"))), /^failed-precondition: .* is no socket/);
  assert.match(await outcome(claimSocket("relative.sock")), /^invalid-argument: .* must be an absolute path/);
  assert.match(await outcome(claimSocket(here.at("x".repeat(120)))), /^invalid-argument: .* longer than the 107 bytes/);
});

it("dials, and tells a server that has ended from one that does not accept", async () => {
  using here = place();
  await assert.rejects(dial(here.at("none"), "it", 1_000), (error) => error instanceof NobodyListens);
  await stale(here.at("old"));
  await assert.rejects(
    dial(here.at("old"), "the server", 1_000),
    (error) => error instanceof NobodyListens && /^the server cannot be reached: ECONNREFUSED/.test(error.message),
  );
  writeFileSync(here.at("file"), "");
  assert.match(await outcome(dial(here.at("file"), "it", 1_000)), /ECONNREFUSED/);
  await using _ = await listening(here.at("s"));
  (await dial(here.at("s"), "it", 10_000)).destroy();
});

it("carries bytes both ways, says that the peer has gone, and removes the socket when it ends", async () => {
  using here = place();
  const closed = Promise.withResolvers<Error | null>();
  const listener = await listen(here.at("s"), owner, {
    accept(stream) {
      stream.start({ onData: (chunk) => stream.write(Uint8Array.from(chunk)), onClose: closed.resolve });
    },
    failed: (error) => assert.fail(error),
  });
  assert.equal(statSync(here.at("s")).mode & 0o777, 0o660);
  const stream = nodeByteStream(await dial(here.at("s"), "it", 10_000));
  const heard = Promise.withResolvers<string>();
  stream.start({ onData: (chunk) => heard.resolve(Buffer.from(chunk).toString()), onClose() {} });
  stream.write(Buffer.from("there and back"));
  assert.equal(await heard.promise, "there and back");
  await stream.drained();
  assert.equal(stream.pending, 0);
  stream.close();
  assert.equal(await closed.promise, null);
  listener[Symbol.dispose]();
  await assert.rejects(dial(here.at("s"), "it", 1_000), (error) => error instanceof NobodyListens);
});
