import { native } from "berth:native";
import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  acceptLoop,
  connectUnix,
  exists,
  Fd,
  hex,
  listenUnix,
  lstat,
  mkdirAll,
  O,
  open,
  type Peer,
  pid,
  randomBytes,
  read,
  receiveDescriptor,
  type SocketStream,
  SystemError,
  writeFile,
} from "@berth/host";
import { temporary } from "./temporary.ts";
import { itLeavesNothing } from "./without-leak.ts";

const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return error instanceof SystemError ? error.code : String(error);
  }
};

interface Received {
  readonly stream: SocketStream;
  readonly chunks: Uint8Array[];
  length: number;
  closed: Promise<Error | null>;
}

function receive(stream: SocketStream): Received {
  const received: Received = { stream, chunks: [], length: 0, closed: Promise.resolve(null) };
  received.closed = new Promise((resolve) => {
    stream.start({
      onData(chunk) {
        received.chunks.push(chunk.slice());
        received.length += chunk.length;
      },
      onClose: resolve,
    });
  });
  return received;
}

async function pair(path: string): Promise<{ near: SocketStream; far: SocketStream; peer: Peer }> {
  using listener = listenUnix(path);
  let accepting: Disposable | null = null;
  const accepted = new Promise<{ far: SocketStream; peer: Peer }>((resolve) => {
    accepting = acceptLoop(listener, (far, peer) => resolve({ far, peer }));
  });
  const near = connectUnix(path);
  const result = await accepted;
  (accepting as Disposable | null)?.[Symbol.dispose]();
  return { near, ...result };
}

describe("a unix socket", () => {
  itLeavesNothing("has the mode that was asked for and says who connects", async () => {
    using folder = temporary();
    const path = `${folder.path}/s`;
    const { near, far, peer } = await pair(path);
    assert.equal(lstat(path)?.mode, 0o600);
    assert.deepEqual(peer, { pid: pid(), uid: 0, gid: 0 });
    near.close();
    assert.equal(await receive(far).closed, null);
  });
  itLeavesNothing("carries everything both ways, however slowly it is read", async () => {
    using folder = temporary();
    const { near, far } = await pair(`${folder.path}/s`);
    const payload = randomBytes(50_000);
    const [left, right] = [receive(near), receive(far)];
    far.pause();
    for (let i = 0; i < 100; i++) near.write(payload);
    far.write(payload);
    assert.ok(near.pending > 1_000_000);
    setTimeout(() => far.resume(), 5);
    await near.drained();
    near.write(new Uint8Array([1]));
    while (right.length < 5_000_001 || left.length < 50_000)
      await new Promise<void>((resolve) => setTimeout(resolve, 1));
    near.close();
    await right.closed;
    assert.equal(right.length, 5_000_001);
    const first = right.chunks[0] ?? new Uint8Array(0);
    assert.equal(hex(first.subarray(0, 32)), hex(payload.subarray(0, 32)));
    await left.closed;
  });
  itLeavesNothing("that is not there, or not listened to, or taken, says so", () => {
    using folder = temporary();
    assert.equal(
      codeOf(() => connectUnix(`${folder.path}/none`)),
      "ENOENT",
    );
    {
      using _fd = listenUnix(`${folder.path}/s`);
      assert.equal(
        codeOf(() => listenUnix(`${folder.path}/s`)),
        "EADDRINUSE",
      );
    }
    assert.equal(
      codeOf(() => connectUnix(`${folder.path}/s`)),
      "ECONNREFUSED",
    );
    writeFile(`${folder.path}/file`, "");
    assert.equal(
      codeOf(() => connectUnix(`${folder.path}/file`)),
      "ECONNREFUSED",
    );
  });
  itLeavesNothing("may have a long path", async () => {
    using folder = temporary();
    const long = `${folder.path}/${"l".repeat(120)}`;
    mkdirAll(long, 0o700);
    const { near, far } = await pair(`${long}/socket`);
    assert.ok(exists(`${long}/socket`));
    near.close();
    far.close();
  });
  itLeavesNothing("tells a write to a peer that is gone as its close", async () => {
    using folder = temporary();
    const { near, far } = await pair(`${folder.path}/s`);
    far.close();
    near.write(new Uint8Array(10));
    const error = await receive(near).closed;
    assert.ok(error === null || (error as SystemError).code === "EPIPE");
    near.write(new Uint8Array(10));
    await near.drained();
  });
});

describe("a descriptor that is passed", () => {
  const connectRaw = (path: string) => new Fd(native.socketConnect(path, 1000), path);
  itLeavesNothing("arrives, and the socket's file goes", async () => {
    using folder = temporary();
    const path = `${folder.path}/console`;
    writeFile(`${folder.path}/hello`, "hello");
    const receiving = receiveDescriptor(path, AbortSignal.timeout(60_000));
    {
      using connection = connectRaw(path);
      using file = open(`${folder.path}/hello`, O.RDONLY);
      native.socketSendFd(connection.number, file.number, new TextEncoder().encode("/dev/pts/7"));
    }
    using fd = await receiving.fd;
    assert.equal(new TextDecoder().decode(read(fd, 10) ?? new Uint8Array(0)), "hello");
    assert.ok(!exists(path));
  });
  itLeavesNothing("and does not come is an error", async () => {
    using folder = temporary();
    const path = `${folder.path}/console`;
    const closed = receiveDescriptor(path, AbortSignal.timeout(60_000));
    connectRaw(path).close();
    await assert.rejects(closed.fd, { code: "EPIPE" });
    const controller = new AbortController();
    const aborted = receiveDescriptor(path, controller.signal);
    controller.abort(new Error("no more"));
    await assert.rejects(aborted.fd, /no more/);
    assert.ok(!exists(path));
  });
});
