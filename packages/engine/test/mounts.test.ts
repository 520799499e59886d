import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { userMount, withMount } from "../src/spec/container-mounts.ts";
import { withReadOnlyBelow } from "../src/spec/mount-options.ts";

const bind = (...options: string[]) => ({ type: "", source: "/a", destination: "/b", options });

describe("a mount that a user asked for", () => {
  it("is a recursive bind unless it says otherwise", () => {
    assert.deepEqual(userMount(bind()), { type: "bind", source: "/a", destination: "/b", options: ["rbind"] });
    assert.deepEqual(userMount(bind("bind", "nosuid")).options, ["bind", "nosuid"]);
  });

  it("is read-only with all that is mounted below it, where the kernel can", () => {
    assert.deepEqual(withReadOnlyBelow(["rbind", "ro"], "6.1.0"), ["rbind", "ro", "rro"]);
    assert.deepEqual(withReadOnlyBelow(["rbind", "ro"], "5.12.0-rc1"), ["rbind", "ro", "rro"]);
    for (const [options, kernel] of [
      [["rbind", "ro"], "5.11.9"],
      [["rbind", "ro"], "4.19.0"],
      [["bind", "ro"], "6.1.0"],
      [["rbind", "ro", "rrw"], "6.1.0"],
      [["rbind"], "6.1.0"],
    ] as const)
      assert.deepEqual(withReadOnlyBelow(options, kernel), options);
  });

  for (const [options, message] of [
    [["readonly"], /option "readonly" does nothing for a directory that is bound/],
    [["RO"], /option "RO" does nothing/],
    [["ro "], /option "ro " does nothing/],
    [["z"], /option "z" does nothing/],
    [["size=1m"], /option "size=1m" does nothing/],
    [["ro", "rw"], /options ro and rw contradict each other/],
    [["rro", "rrw"], /options rro and rrw contradict each other/],
  ] as const)
    it(`is refused with ${options}`, () => {
      assert.throws(() => userMount(bind(...options)), { kind: "invalid-argument", message });
      // Whatever the type is called, an option makes it a bind.
      assert.throws(() => userMount({ ...bind("bind", ...options), type: "none" }), { message });
    });

  it("has a target of its own", () => {
    for (const destination of ["/", "//", "/..", "/a/..", "", "b", "/a\0"])
      assert.throws(() => userMount({ ...bind(), destination }), { kind: "invalid-argument" }, destination);
    assert.equal(userMount({ ...bind(), destination: "/x//y/../z/" }).destination, "/x/z");
  });

  it("takes the place of one at the same target, below what is mounted in it", () => {
    const one = (destination: string, source: string) => ({ destination, source, type: "tmpfs", options: [] });
    const mounts = [one("/dev", "own"), one("/dev/pts", "own")];
    assert.deepEqual(withMount(mounts, one("/dev", "user")), [one("/dev", "user"), one("/dev/pts", "own")]);
    assert.deepEqual(withMount(mounts, one("/x", "user")).at(-1), one("/x", "user"));
  });
});
