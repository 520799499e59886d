// Requests that are wrong, each with the state that it is made in.
import { join } from "node:path";
import { packAny, typeUrls } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { World } from "./world.ts";

const sleeper = ["sleep", "1000"];
const bytes = (text: string) => new TextEncoder().encode(text);
const garbage = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x0f, 0x01, 0x02]);

/** A container that runs while the wrong request is made. */
async function up(w: World) {
  const box = await w.box(sleeper);
  await box.up();
  return box;
}

const execWith = async (w: World, spec: { typeUrl: string; value: Uint8Array } | null, execId = "e") => {
  const box = await up(w);
  await w.tasks.exec({ containerId: box.id, execId, spec }, w.to);
  await box.start(execId);
};

const updateWith = async (w: World, resources: { typeUrl: string; value: Uint8Array } | null) => {
  const box = await up(w);
  await w.tasks.update({ containerId: box.id, resources }, w.to);
};

const createWith = async (w: World, request: object) => {
  const box = await w.box(sleeper);
  await box.create(request);
};

const createOf = async (w: World, options: object) => {
  const box = await w.box(sleeper, options);
  await box.create();
};

// Left out, as they end containerd's shim 1.6.20 by a panic: options of another message, exec and update with no Any.
export const wrongCalls: Readonly<Record<string, (w: World) => Promise<unknown>>> = {
  "create with options of an unknown type": (w) =>
    createWith(w, { options: { typeUrl: "test.Unknown", value: garbage } }),
  "create with options that are garbage": (w) =>
    createWith(w, { options: { typeUrl: Options.typeName, value: garbage } }),
  "create with a runtime that is not there": (w) =>
    createOf(w, { runtimeOptions: packAny(Options, { binaryName: "no-such-runc" }) }),
  "create with a runtime path that is not there": (w) =>
    createOf(w, { runtimeOptions: packAny(Options, { binaryName: "/no/such/runc" }) }),
  "create with a runtime that is a folder": (w) =>
    createOf(w, { runtimeOptions: packAny(Options, { binaryName: "/etc" }) }),
  "create with systemd's cgroups, which are not there": (w) =>
    createOf(w, { runtimeOptions: packAny(Options, { systemdCgroup: true }) }),
  "create with a shim cgroup that is not there": (w) =>
    createOf(w, { runtimeOptions: packAny(Options, { shimCgroup: "/no/such/cgroup" }) }),
  "create of a specification that is no JSON": (w) => createOf(w, { spec: "no json" }),
  "create of an empty specification": (w) => createOf(w, { spec: "" }),
  "create of a specification that is another JSON": (w) => createOf(w, { spec: "[1, 2]" }),
  "create of a specification without a process": (w) =>
    createOf(w, { change: (spec: Record<string, unknown>) => delete spec.process }),
  "create of a specification without root": (w) =>
    createOf(w, { change: (spec: Record<string, unknown>) => delete spec.root }),
  "create with an unknown namespace type": (w) =>
    createOf(w, {
      change: (spec: { linux: { namespaces: object[] } }) => spec.linux.namespaces.push({ type: "moon" }),
    }),
  "create with a rootfs that is not there": (w) =>
    createWith(w, { rootfs: [{ type: "bind", source: "/no/such/rootfs", target: "", options: ["rbind", "ro"] }] }),
  "create with an unknown file system": (w) =>
    createWith(w, { rootfs: [{ type: "moonfs", source: "none", target: "", options: [] }] }),
  "create with a rootfs that is a file": (w) =>
    createWith(w, { rootfs: [{ type: "bind", source: "/etc/passwd", target: "", options: ["rbind", "ro"] }] }),
  "create with stdout in a folder that is not there": (w) =>
    createWith(w, { stdout: join(w.dir, "no/out"), stderr: join(w.dir, "no/err") }),
  "create with a file that is a folder": (w) => createWith(w, { stdout: `file://${w.dir}`, stderr: `file://${w.dir}` }),
  "create with stdin that is not there": (w) => {
    const { streams } = w.io();
    return createWith(w, { ...streams, stdin: join(w.dir, "no-in") });
  },
  "create with a terminal and no terminal in the specification": (w) => {
    const { streams } = w.io();
    return createWith(w, { ...streams, stderr: "", terminal: true });
  },
  "create of an unknown container": (w) => w.tasks.create({ containerId: "ghost" }, w.to),
  "create without an id": (w) => w.tasks.create({ containerId: "" }, w.to),
  "create of an invalid id": (w) => w.tasks.create({ containerId: "../x" }, w.to),
  "a call without a namespace": (w) => w.tasks.list({}, { timeoutMs: 5000 }),
  "a call in an invalid namespace": (w) => w.tasks.list({}, { namespace: "no good", timeoutMs: 5000 }),
  "a runtime name without a dot": (w) => createNamed(w, "runc"),
  "a runtime that is not installed": (w) => createNamed(w, "io.containerd.nothere.v1"),
  "a runtime path that is not there": (w) => createNamed(w, "/no/such/shim"),
  "exec with a specification that is no JSON": (w) => execWith(w, { typeUrl: typeUrls.process, value: garbage }),
  "exec with an empty specification": (w) => execWith(w, { typeUrl: typeUrls.process, value: bytes("") }),
  "exec with a specification of an unknown type": (w) => execWith(w, { typeUrl: "test.Unknown", value: garbage }),
  "exec without an id": (w) => execWith(w, { typeUrl: typeUrls.process, value: bytes("{}") }, ""),
  "exec of an invalid id": (w) => execWith(w, { typeUrl: typeUrls.process, value: bytes("{}") }, "../x"),
  "exec of an id that is too long": (w) =>
    execWith(w, { typeUrl: typeUrls.process, value: bytes("{}") }, "x".repeat(77)),
  "exec with 5 MiB of specification": (w) => execWith(w, { typeUrl: typeUrls.process, value: new Uint8Array(5 << 20) }),
  "exec with 17 MiB of specification": (w) =>
    execWith(w, { typeUrl: typeUrls.process, value: new Uint8Array(17 << 20) }),
  "update with garbage": (w) => updateWith(w, { typeUrl: typeUrls.linuxResources, value: garbage }),
  "update of an unknown type": (w) => updateWith(w, { typeUrl: "test.Unknown", value: garbage }),
  "update with a limit that cannot be": async (w) => (await up(w)).update({ memory: { limit: 4096 } }),
  "checkpoint with options of an unknown type": async (w) =>
    (await up(w)).checkpoint({ typeUrl: "test.Unknown", value: garbage }),
  "checkpoint of a container that was only created": async (w) => {
    const box = await w.box(sleeper);
    await box.create();
    await box.checkpoint();
  },
  "metrics with a filter that is none": (w) => w.tasks.metrics({ filters: ["id==="] }, w.to),
};

async function createNamed(w: World, name: string): Promise<void> {
  const id = w.newId();
  const spec = { typeUrl: typeUrls.spec, value: bytes("{}") };
  await w.containers.create({ container: { id, runtime: { name }, spec } }, w.to);
  try {
    await w.tasks.create({ containerId: id }, w.to);
  } finally {
    await w.containers.delete({ id }, w.to);
  }
}
