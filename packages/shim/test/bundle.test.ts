import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import {
  bundleAt,
  cleanPath,
  joinPath,
  logLine,
  parseBundleConfig,
  parseExitRecord,
  parseOptions,
  socketPath,
} from "@berth/shim";

const hash = (text: string) => createHash("sha256").update(text).digest("hex");

describe("socket address", () => {
  it("is the hash of daemon, namespace and container, as containerd's", () => {
    const path = socketPath(hash, "/run/containerd/s", "/run/containerd/containerd.sock", "default", "web");
    assert.equal(path, `/run/containerd/s/${hash("/run/containerd/containerd.sock/default/web")}`);
  });
  it("refuses a directory that leaves no room for the name", () => {
    assert.throws(() => socketPath(hash, `/${"d".repeat(60)}`, "/a", "b", "c"), /too long/);
  });
});

describe("paths", () => {
  for (const [path, clean] of [
    ["/a//b/../c/.", "/a/c"],
    ["", "."],
    ["/..", "/"],
    ["../a", "../a"],
  ] as const)
    it(`${JSON.stringify(path)} is ${clean}`, () => assert.equal(cleanPath(path), clean));
  it("join without empty parts", () => assert.equal(joinPath("", "/a/", "b"), "/a/b"));
});

describe("config.json", () => {
  it("names the group by its first annotation", () => {
    const annotations = { "io.kubernetes.cri.sandbox-id": "pod", "io.containerd.runc.v2.group": "g" };
    assert.equal(parseBundleConfig(JSON.stringify({ annotations })).group, "g");
    assert.equal(parseBundleConfig("{}").group, "");
  });
  for (const [namespaces, expected] of [
    [[{ type: "pid" }], true],
    [[{ type: "pid", path: "/proc/1/ns/pid" }], false],
    [[{ type: "mount" }], false],
  ] as const)
    it(`${JSON.stringify(namespaces)}: private pids ${expected}`, () =>
      assert.equal(parseBundleConfig(JSON.stringify({ linux: { namespaces } })).privatePids, expected));
  for (const [cgroupsPath, expected] of [
    ["system.slice:docker:0123", true],
    ["kubepods-burstable-pod1.slice:cri-containerd:0123", true],
    ["/default/web", false],
    ["/kubepods.slice/web", false],
    ["a.slice:/b:c", false],
    [7, false],
  ] as const)
    it(`the cgroup ${cgroupsPath} is systemd's: ${expected}`, () =>
      assert.equal(parseBundleConfig(JSON.stringify({ linux: { cgroupsPath } })).systemdCgroup, expected));
});

describe("files of a bundle", () => {
  it("have fixed names", () => assert.equal(bundleAt("/b").execPid("init"), "/b/exec-init.pid"));
  it("an exit record that is not whole is none", () => {
    assert.equal(parseExitRecord('{"status":7'), null);
    assert.equal(parseExitRecord("{}"), null);
    assert.equal(parseExitRecord('{"sequence":1,"container":"c","exec":"","pid":3,"status":7,"at":5}')?.status, 7);
  });
  it("options of containerd's own shim are understood, and torn ones are defaults", () => {
    assert.equal(parseOptions('{"binary_name":"crun","root":"/r"}').root, "/r");
    assert.equal(parseOptions('{"binary_na').binaryName, "");
  });
});

describe("log lines", () => {
  it("look like containerd's", () => {
    const line = logLine("warning", new Date(0), 'it "broke"', { container: "web", err: new Error("no such file") });
    assert.equal(
      line,
      'time="1970-01-01T00:00:00.000Z" level=warning msg="it \\"broke\\"" container=web error="no such file"\n',
    );
  });
});
