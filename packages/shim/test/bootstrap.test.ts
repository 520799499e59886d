import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { BootstrapParams, BootstrapResult } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { Any } from "@berth/proto/google/protobuf";
import { parseStartInput, startReply } from "@berth/shim";

const options = packAny(Options, { binaryName: "crun", systemdCgroup: true });
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("what a daemon says to start", () => {
  it("may be nothing: the answer is the plain address", () => {
    const input = parseStartInput(new Uint8Array(0), "web", "default");
    assert.equal(input.options, null);
    assert.equal(text(startReply(input, "unix:///s", "/b")), "unix:///s");
  });
  it("may be the options of a runtime, as before containerd 2.3", () => {
    const input = parseStartInput(Any.encode(options), "web", "default");
    assert.equal(input.options?.binaryName, "crun");
    assert.equal(text(startReply(input, "unix:///s", "/b")), "unix:///s");
  });
  it("is answered with version 3 where only a daemon of containerd 2 can have asked: for a sandbox", () => {
    const input = parseStartInput(Any.encode(options), "pod", "default");
    const bundle = "/run/containerd/io.containerd.sandbox.controller.v1.shim/default/pod";
    const reply = JSON.parse(text(startReply(input, "unix:///s", bundle)));
    assert.deepEqual(reply, { version: 3, address: "unix:///s", protocol: "ttrpc" });
  });
  it("may be BootstrapParams: the answer is a BootstrapResult", () => {
    const params = BootstrapParams.encode({
      instanceId: "web",
      namespace: "default",
      extensions: [{ value: options }],
    });
    const input = parseStartInput(params, "web", "default");
    assert.equal(input.options?.systemdCgroup, true);
    const reply = BootstrapResult.decode(startReply(input, "unix:///s", "/b"));
    assert.deepEqual([reply.version, reply.address, reply.protocol], [3, "unix:///s", "ttrpc"]);
  });
  it("may be garbage, and options of another runtime: they count as none", () => {
    assert.equal(parseStartInput(new Uint8Array([0xff, 0xff, 0xff]), "web", "default").options, null);
    const other = Any.encode({ typeUrl: "runtimeoptions.v1.Options", value: new Uint8Array([10, 1, 120]) });
    assert.equal(parseStartInput(other, "web", "default").options, null);
  });
});
