// Files that a bundle or the kernel holds, as nobody would write them: they are none, or defaults; nothing throws.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  bundleAt,
  lastRuntimeError,
  locateCgroup,
  parseBundleConfig,
  parseExitRecord,
  parseOptions,
  parseProcCgroup,
  planMount,
} from "@berth/shim";

describe("what is JSON, and not what was expected", () => {
  for (const text of ["null", "7", '"x"', "[]", "[null]", "true"]) {
    it(`${text} is no exit record`, () => assert.equal(parseExitRecord(text), null));
    it(`${text} as options are the defaults`, () => assert.equal(parseOptions(text).binaryName, ""));
    it(`${text} as config.json has no group`, () => assert.equal(parseBundleConfig(text).group, ""));
    it(`${text} in a runtime's log is no error`, () => assert.equal(lastRuntimeError(`${text}\n`), ""));
  }

  const record = { sequence: 1, container: "c", exec: "", pid: 3, status: 7, at: 5 };
  for (const wrong of [{ status: -1 }, { status: 256 }, { status: 1e300 }, { pid: "3" }, { at: 1e300 }, { exec: 7 }])
    it(`an exit record with ${JSON.stringify(wrong)} is none`, () =>
      assert.equal(parseExitRecord(JSON.stringify({ ...record, ...wrong })), null));

  for (const linux of [null, 7, { namespaces: {} }, { namespaces: 7 }, { namespaces: [null, 7, { type: {} }] }])
    it(`config.json with linux: ${JSON.stringify(linux)} has no private pids`, () =>
      assert.equal(parseBundleConfig(JSON.stringify({ linux })).privatePids, false));

  it("a group that is no text is none", () =>
    assert.equal(parseBundleConfig('{"annotations":{"io.containerd.runc.v2.group":{}}}').group, ""));

  it("a runtime's message that is no text is none", () =>
    assert.equal(lastRuntimeError('{"level":"error","msg":"good"}\n{"level":"error","msg":7}\nnull\n'), "good"));
});

describe("names that every object inherits", () => {
  it("are mount options for the file system", () =>
    assert.deepEqual(planMount(["constructor", "ro", "toString", "__proto__"]), {
      flags: ["RDONLY"],
      propagation: [],
      data: ["constructor", "toString", "__proto__"],
    }));
  it("are no controllers", () => {
    const mount = { mountPoint: "/m", root: "/", type: "cgroup", superOptions: "rw,constructor,__proto__" };
    assert.equal(locateCgroup(parseProcCgroup("1:cpu:/a"), [mount]), null);
  });
});

it("no exec's file is another one's, whatever the ids", () => {
  const { execPid, execLog, execSpec, execExit, ...fixed } = bundleAt("/b");
  const ids = ["init", "a", "a.exit", "a.log", "a.spec", "config", "exit", "exec-a"];
  const files = ids.flatMap((id) => [execPid, execLog, execSpec, execExit].map((of) => of(id)));
  const all = [...files, ...Object.values(fixed)];
  assert.equal(new Set(all).size, all.length);
});
