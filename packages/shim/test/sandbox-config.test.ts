import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecodeError } from "@berth/proto";
import { parseSandboxConfig, slicePath } from "@berth/shim";

const typeUrl = "runtime.v1.PodSandboxConfig";
const nothing = { hostname: "", cgroupParent: "", hostPids: false, hostIpc: false };

/** A length-delimited field of the protobuf wire format. */
const field = (number: number, value: Uint8Array): Uint8Array =>
  Uint8Array.of((number << 3) | 2, value.length, ...value);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
/** pid 2 and ipc 3 of NamespaceOption, as varints. */
const modes = (pid: number, ipc: number): Uint8Array => Uint8Array.of(2 << 3, pid, 3 << 3, ipc);
const pod = (...linux: Uint8Array[]): Uint8Array =>
  Uint8Array.of(...field(2, text("a-pod")), ...field(8, Uint8Array.of(...linux.flatMap((part) => [...part]))));

describe("the options of a sandbox", () => {
  it("are the CRI's, by the numbers of its fields", () => {
    const value = pod(field(1, text("/kubepods/pod1")), field(2, field(1, modes(2, 2))));
    const wanted = { hostname: "a-pod", cgroupParent: "/kubepods/pod1", hostPids: true, hostIpc: true };
    assert.deepEqual(parseSandboxConfig({ typeUrl, value }), wanted);
  });
  for (const [name, mode] of [
    ["of the pod", 0],
    ["of each container", 1],
    ["of another container", 3],
  ] as const)
    it(`ask for none of the host's namespaces with those ${name}`, () => {
      const { hostPids, hostIpc } = parseSandboxConfig({ typeUrl, value: pod(field(2, field(1, modes(mode, mode)))) });
      assert.deepEqual([hostPids, hostIpc], [false, false]);
    });
  it("ask for nothing where they are absent, empty or of another type", () => {
    assert.deepEqual(parseSandboxConfig(null), nothing);
    assert.deepEqual(parseSandboxConfig({ typeUrl, value: new Uint8Array(0) }), nothing);
    assert.deepEqual(parseSandboxConfig({ typeUrl: "google.protobuf.Empty", value: pod() }), nothing);
  });
  it("that are damaged are refused", () =>
    assert.throws(() => parseSandboxConfig({ typeUrl, value: Uint8Array.of(0x12, 0xff) }), DecodeError));
});

describe("the cgroup of a pod", () => {
  for (const [parent, path] of [
    ["/kubepods/burstable/pod1", "/kubepods/burstable/pod1"],
    ["relative", "/relative"],
    ["kubepods.slice", "/kubepods.slice"],
    ["kubepods-burstable-pod1_2.slice", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice"],
    ["/a/b.slice", "/a/b.slice"],
  ] as const)
    it(`${parent} is ${path}`, () => assert.equal(slicePath(parent), path));
});
