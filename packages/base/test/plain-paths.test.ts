import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkPlainPaths, kindOf, messageOf, plainPaths } from "@berth/base";

const mount = (destination: string, type: string, options: string[] = []) => ({ destination, type, options });
const ours = [mount("/proc", "proc"), mount("/dev", "tmpfs"), mount("/sys", "sysfs"), mount("/run", "tmpfs")];

const cases: readonly (readonly [
  title: string,
  links: Readonly<Record<string, string>>,
  mounts: readonly object[],
  /** The link that is named; null where nothing is refused. */
  refused: string | null,
])[] = [
  ["a root without links", {}, ours, null],
  ["/dev as an absolute link", { "/dev": "/tmp/x" }, ours, "/dev"],
  ["/dev as a link that climbs", { "/dev": "../x" }, ours, "/dev"],
  ["/dev as a link that climbs within", { "/dev": "var/../a/../b" }, ours, null],
  ["/dev as a link to a link out", { "/dev": "var/dev", "/var": "../../etc" }, ours, "/var"],
  ["/dev as a link inside", { "/dev": "var/dev" }, ours, null],
  ["/dev as a ring of links", { "/dev": "d", "/d": "dev" }, ours, null],
  ["/dev as a link, no mount on it", { "/dev": "/tmp" }, [], "/dev"],
  ["/dev as a link, the host's bound to it", { "/dev": "/tmp" }, [mount("/dev/", "none", ["rbind"])], null],
  ["/proc as a link out", { "/proc": "/tmp" }, ours, "/proc"],
  ["/sys as a link out", { "/sys": "/tmp" }, ours, "/sys"],
  ["a proc below a link out", { "/a": "/tmp" }, [mount("/a/b/proc", "proc")], "/a"],
  ["cgroups below a link out", { "/a": "/tmp" }, [mount("/a/cgroup", "cgroup")], "/a"],
  ["what is resolved in the root: /var/run", { "/var/run": "/run" }, [mount("/var/run/secrets", "bind")], null],
  ["what is resolved in the root: /run", { "/run": "/var/run" }, ours, null],
  ["a target with dots of its own", {}, [mount("/../../proc", "proc")], null],
];

describe("paths that a runtime follows from the host", () => {
  for (const [title, links, mounts, refused] of cases)
    it(`${title}: ${refused === null ? "taken" : `${refused} is refused`}`, () => {
      const check = () => checkPlainPaths(plainPaths({ mounts }), (path) => links[path] ?? null);
      if (refused === null) check();
      else
        assert.throws(check, (error) => {
          assert.equal(kindOf(error), "failed-precondition");
          assert.ok(messageOf(error).startsWith(`"${refused}" in the container's root is a link to`), messageOf(error));
          return true;
        });
    });

  for (const spec of [null, 7, {}, { mounts: 7 }, { mounts: [null, { destination: 7 }] }])
    it(`a spec that is ${JSON.stringify(spec)} is left to the runtime`, () =>
      checkPlainPaths(plainPaths(spec), () => null));
});
