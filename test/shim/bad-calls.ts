// Calls that are wrong, made to a shim itself: what no daemon would let through, and what only a shim can find out.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Kind, message, service, typeUrls } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import { ConnectRequest } from "@berth/proto/containerd/task/v2";
import { Empty } from "@berth/proto/google/protobuf";
import { Request, Response } from "@berth/proto/ttrpc";
import { errorOf } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createClient, encodeFrame, FrameDecoder, FrameType, HEADER_LENGTH, MAX_DATA } from "@berth/ttrpc";
import { makeBundle, ociProcess, ociSpec } from "../support/bundle.ts";
import type { Daemon, Shim } from "./harness.ts";

export interface Place {
  readonly daemon: Daemon;
  /** Its container `c` runs. */
  readonly shim: Shim;
  /** A name that was not used yet. */
  newId(): string;
}

type Call = (place: Place) => Promise<unknown>;

const bytes = (text: string) => new TextEncoder().encode(text);
const garbage = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x0f, 0x01, 0x02]);
const ghost = { id: "ghost" };
const ghostExec = { id: "c", execId: "ghost" };
const process = { typeUrl: typeUrls.process, value: bytes(JSON.stringify(ociProcess(["true"]))) };

/** Of a container besides `c`, in the same shim. */
async function createIn(
  { shim, daemon, newId }: Place,
  { request = {}, change = () => {} }: { request?: object; change?: (bundle: string) => void },
): Promise<void> {
  const id = newId();
  const bundle = makeBundle(join(daemon.top, "t", daemon.namespace, id), ociSpec({ args: ["true"] }));
  change(bundle);
  await shim.create({ id, bundle, ...request });
}

const putConfig = (text: string) => (bundle: string) => writeFileSync(join(bundle, "config.json"), text);

/** A request whose first field is a number where the shim's has a text. */
const wrongMessage = message<{ id: number }>("test.Wrong", ["id", 1, Kind.int32, null]);

async function callOf({ shim }: Place, typeName: string, name: string): Promise<void> {
  const socket = connect(shim.address.slice("unix://".length));
  try {
    const call = { kind: "unary", name, input: wrongMessage, output: Empty } as const;
    await createClient(nodeByteStream(socket)).service(service(typeName, { call })).call({ id: 7 });
  } finally {
    socket.destroy();
  }
}

/** A frame that is a byte too long; the same connection then takes another request. */
async function sendTooMuch({ shim }: Place): Promise<void> {
  const socket = connect(shim.address.slice("unix://".length));
  try {
    const frame = Buffer.alloc(HEADER_LENGTH + MAX_DATA + 1);
    frame.set(encodeFrame(1, FrameType.request, 0, new Uint8Array(0)));
    frame.writeUInt32BE(MAX_DATA + 1);
    const payload = ConnectRequest.encode({ id: "c" });
    const whole = Request.encode({ service: "containerd.task.v2.Task", method: "Connect", payload });
    socket.write(frame);
    socket.write(encodeFrame(3, FrameType.request, 0, whole));
    const answers = new Map<number, Response>();
    const decoder = new FrameDecoder({
      onFrame: (stream, _type, _flags, data) => answers.set(stream, Response.decode(data)),
      onOversized: (stream) => assert.fail(`a response that is too long: ${stream}`),
    });
    while (!answers.has(1) || !answers.has(3)) decoder.push((await once(socket, "data"))[0]);
    assert.equal(answers.get(3)?.status?.code ?? 0, 0);
    const refused = answers.get(1)?.status;
    if (refused) throw errorOf(refused);
  } finally {
    socket.destroy();
  }
}

export const badCalls: Readonly<Record<string, Call>> = {
  "state of an unknown container": ({ shim }) => shim.task.state(ghost),
  "start of an unknown container": ({ shim }) => shim.task.start(ghost),
  "delete of an unknown container": ({ shim }) => shim.task.delete(ghost),
  "pids of an unknown container": ({ shim }) => shim.task.pids(ghost),
  "pause of an unknown container": ({ shim }) => shim.task.pause(ghost),
  "resume of an unknown container": ({ shim }) => shim.task.resume(ghost),
  "kill of an unknown container": ({ shim }) => shim.task.kill({ ...ghost, signal: 9 }),
  "exec in an unknown container": ({ shim }) => shim.task.exec({ ...ghost, execId: "e", spec: process }),
  "resize of an unknown container": ({ shim }) => shim.task.resizePty(ghost),
  "closeIO of an unknown container": ({ shim }) => shim.task.closeIO(ghost),
  "update of an unknown container": ({ shim }) =>
    shim.task.update({ ...ghost, resources: { typeUrl: typeUrls.linuxResources, value: bytes("{}") } }),
  "wait for an unknown container": ({ shim }) => shim.task.wait(ghost),
  "stats of an unknown container": ({ shim }) => shim.task.stats(ghost),
  "checkpoint of an unknown container": ({ shim }) => shim.task.checkpoint(ghost),
  "connect to an unknown container": ({ shim }) => shim.task.connect(ghost),
  "shutdown for an unknown container": ({ shim }) => shim.task.shutdown({ ...ghost, now: true }),
  "state of an unknown exec": ({ shim }) => shim.task.state(ghostExec),
  "start of an unknown exec": ({ shim }) => shim.task.start(ghostExec),
  "delete of an unknown exec": ({ shim }) => shim.task.delete(ghostExec),
  "kill of an unknown exec": ({ shim }) => shim.task.kill({ ...ghostExec, signal: 9 }),
  "resize of an unknown exec": ({ shim }) => shim.task.resizePty(ghostExec),
  "closeIO of an unknown exec": ({ shim }) => shim.task.closeIO(ghostExec),
  "wait for an unknown exec": ({ shim }) => shim.task.wait(ghostExec),
  "start of what runs": ({ shim }) => shim.task.start({ id: "c" }),
  "delete of what runs": ({ shim }) => shim.task.delete({ id: "c" }),
  "resume of what runs": ({ shim }) => shim.task.resume({ id: "c" }),
  "create of what is there": ({ shim }) => shim.create({}),
  "kill with a signal that is none": ({ shim }) => shim.task.kill({ id: "c", signal: 4711 }),
  "exec with a specification that is no JSON": async ({ shim, newId }) => {
    const execId = newId();
    await shim.task.exec({ id: "c", execId, spec: { ...process, value: garbage } });
    await shim.task.start({ id: "c", execId });
  },
  "exec with a log that cannot be opened": async ({ shim, newId }) => {
    const execId = newId();
    await shim.task.exec({ id: "c", execId, spec: process, stdout: "/no/such/out", stderr: "/no/such/err" });
    await shim.task.start({ id: "c", execId });
  },
  "exec with a terminal and a log that cannot be opened": async ({ shim, newId }) => {
    const execId = newId();
    const value = bytes(JSON.stringify(ociProcess(["true"], true)));
    await shim.task.exec({ id: "c", execId, terminal: true, spec: { ...process, value }, stdout: "/no/such/out" });
    await shim.task.start({ id: "c", execId });
  },
  "update with garbage": ({ shim }) =>
    shim.task.update({ id: "c", resources: { typeUrl: typeUrls.linuxResources, value: garbage } }),
  "checkpoint with garbage for options": ({ shim }) =>
    shim.task.checkpoint({ id: "c", path: "/none", options: { typeUrl: CheckpointOptions.typeName, value: garbage } }),
  "create without a config.json": (place) =>
    createIn(place, { change: (bundle) => rmSync(join(bundle, "config.json")) }),
  "create with a config.json that is no JSON": (place) => createIn(place, { change: putConfig("no json") }),
  "create with an empty config.json": (place) => createIn(place, { change: putConfig("") }),
  "create in a bundle that is not there": (place) => createIn(place, { request: { bundle: "/no/such/bundle" } }),
  "create with options of an unknown type": (place) =>
    createIn(place, { request: { options: { typeUrl: "test.Unknown", value: garbage } } }),
  "create with options that are garbage": (place) =>
    createIn(place, { request: { options: { typeUrl: Options.typeName, value: garbage } } }),
  "create with a rootfs that is not there": (place) =>
    createIn(place, { request: { rootfs: [{ type: "bind", source: "/no/such", target: "", options: ["rbind"] }] } }),
  "create of a user who cannot read the rootfs": async (place) => {
    const locked = join(place.daemon.top, place.newId());
    mkdirSync(join(locked, "bin"), { recursive: true });
    chmodSync(locked, 0o700);
    const spec = ociSpec({ args: ["true"] }) as { process: { user: { uid: number } } };
    spec.process.user.uid = 1000;
    await createIn(place, {
      request: { rootfs: [{ type: "bind", source: locked, target: "", options: ["rbind"] }] },
      change: putConfig(JSON.stringify(spec)),
    });
  },
  "create with a log that cannot be opened": (place) =>
    createIn(place, { request: { stdout: "/no/such/out", stderr: "/no/such/err" } }),
  "a request that is another message": (place) => callOf(place, "containerd.task.v2.Task", "State"),
  "a method that is not there": (place) => callOf(place, "containerd.task.v2.Task", "Fly"),
  "a service that is not there": (place) => callOf(place, "test.Nothing", "State"),
  "a request of more than 4 MiB": (place) => sendTooMuch(place),
};
