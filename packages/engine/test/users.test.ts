import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CreateExecRequest } from "@berth/proto/berth/v1";
import type { OciSpec } from "../src/oci.ts";
import { findUser, type ReadRootFile } from "../src/spec/find-user.ts";
import { makeExec } from "../src/spec/make-exec.ts";

const passwd = [
  "root:x:0:0:root:/root:/bin/sh",
  "broken",
  "noid:x::5::/:",
  "web:x:33:44:web:/srv:/bin/sh",
  "7:x:70:70::/seven:/bin/sh",
  "web:x:99:99:a second one:/second:/bin/sh",
  "twin:x:33:77:the same id:/twin:/bin/sh",
  "# commented:x:5:5::/:",
].join("\n");
const group = "root:x:0:\nstaff:x:50:web,other\nadm:x:4:web\nstaff:x:51:root\nweb:x:44:\nalso:x:44:web\n9:x:90:\n";
const rootOf =
  (files: Readonly<Record<string, string>>): ReadRootFile =>
  async (path) =>
    files[path] ?? null;
const read = rootOf({ "/etc/passwd": passwd, "/etc/group": group });

describe("a user of the image", () => {
  const table: [string, number, number, number[], string][] = [
    ["", 0, 0, [0, 51], "/root"],
    ["root", 0, 0, [0, 51], "/root"],
    ["0", 0, 0, [0, 51], "/root"],
    // The first of two entries, by name as by id.
    ["web", 33, 44, [44, 50, 4], "/srv"],
    ["33", 33, 44, [44, 50, 4], "/srv"],
    ["twin", 33, 77, [77], "/twin"],
    // A group that is given takes the place of all others; the first of two counts here too.
    ["web:staff", 33, 50, [50], "/srv"],
    ["web:7", 33, 7, [7], "/srv"],
    ["33:44", 33, 44, [44], "/srv"],
    // Digits are an id, also where there is a name of digits.
    ["7", 7, 0, [0], "/"],
    ["70", 70, 70, [70], "/seven"],
    ["web:9", 33, 9, [9], "/srv"],
    // An id needs no entry.
    ["1234", 1234, 0, [0], "/"],
    ["1234:staff", 1234, 50, [50], "/"],
    ["1234:5678", 1234, 5678, [5678], "/"],
    ["0033", 33, 44, [44, 50, 4], "/srv"],
    ["4294967294", 4294967294, 0, [0], "/"],
    // Nothing before or behind the colon.
    [":staff", 0, 50, [50], "/root"],
    [":50", 0, 50, [50], "/root"],
    ["web:", 33, 44, [44, 50, 4], "/srv"],
    ["1234:", 1234, 0, [0], "/"],
    [":", 0, 0, [0, 51], "/root"],
  ];
  for (const [wanted, uid, gid, additionalGids, home] of table)
    it(`${JSON.stringify(wanted)} is ${uid}:${gid} with ${additionalGids} at ${home}`, async () => {
      assert.deepEqual(await findUser(wanted, "img", read), { user: { uid, gid, additionalGids }, home });
    });

  for (const [wanted, words] of [
    ["nobody", /^user "nobody" is not in \/etc\/passwd of image img: use one that is, or a number$/],
    ["noid", /user "noid" is not in/],
    ["broken", /user "broken" is not in/],
    ["web:none", /^group "none" is not in \/etc\/group of image img/],
    ["a:b:c", /user "a:b:c" is invalid/],
    ["4294967295", /^user 4294967295 is out of range: ids go from 0 to 4294967294$/],
    ["99999999999999999999", /^user 99999999999999999999 is out of range/],
    ["1:4294967295", /^group 4294967295 is out of range/],
    ["-1", /user "-1" is not in/],
    ["+1", /user "\+1" is not in/],
    ["1e3", /user "1e3" is not in/],
  ] as const)
    it(`${wanted} is refused in one sentence`, async () => {
      await assert.rejects(findUser(wanted, "img", read), { kind: "invalid-argument", message: words });
    });

  it("is found in files with CRLF, blanks around lines, or a byte order mark", async () => {
    const windows = rootOf({
      "/etc/passwd": "\ufeff\r\n  \r\nweb:x:33:44:web:/srv\r\n\tother:x:34:45::/o\t\r\n",
      "/etc/group": "staff:x:50:other,web\r\n  adm:x:4:web  \r\ntape:x:26:web",
    });
    assert.deepEqual(await findUser("web", "img", windows), {
      user: { uid: 33, gid: 44, additionalGids: [44, 50, 4, 26] },
      home: "/srv",
    });
    assert.equal((await findUser("other", "img", windows)).home, "/o");
    assert.equal((await findUser("web:tape", "img", windows)).user.gid, 26);
  });

  it("may be root or a number where the image has neither file", async () => {
    const none = rootOf({});
    assert.deepEqual(await findUser("", "img", none), { user: { uid: 0, gid: 0, additionalGids: [0] }, home: "/" });
    assert.deepEqual(await findUser("5:6", "img", none), { user: { uid: 5, gid: 6, additionalGids: [6] }, home: "/" });
    await assert.rejects(findUser("web", "img", none), { kind: "invalid-argument" });
    await assert.rejects(findUser("5:web", "img", none), { kind: "invalid-argument" });
    const noGroup = rootOf({ "/etc/passwd": passwd });
    assert.deepEqual((await findUser("web", "img", noGroup)).user, { uid: 33, gid: 44, additionalGids: [44] });
  });

  it("is the last of 60,000 lines with a group of 60,000 members", async () => {
    const names = Array.from({ length: 60_000 }, (_, index) => `user${index}`);
    const big = rootOf({
      "/etc/passwd": names.map((name, index) => `${name}:x:${index + 1000}:100::/home/${name}:/bin/sh\n`).join(""),
      "/etc/group": `many:x:200:${names.join(",")}\n`,
    });
    assert.deepEqual(await findUser("user59999", "img", big), {
      user: { uid: 60_999, gid: 100, additionalGids: [100, 200] },
      home: "/home/user59999",
    });
  });
});

describe("the user of an exec", () => {
  const specWith = (env: string[]) =>
    ({ process: { user: { uid: 33, gid: 44 }, cwd: "/", env } }) as unknown as OciSpec;
  const exec = async (env: string[], options: Partial<CreateExecRequest>) =>
    await makeExec(
      specWith(env),
      CreateExecRequest.create({ args: ["x"], ...options } as CreateExecRequest),
      "img",
      read,
    );
  const homeIn = async (env: string[], options: Partial<CreateExecRequest>) =>
    (await exec(env, options)).env?.find((entry) => entry.startsWith("HOME="));

  it("is the container's unless one is given", async () => {
    assert.deepEqual((await exec([], {})).user, { uid: 33, gid: 44 });
    assert.deepEqual((await exec([], { user: "root" })).user, { uid: 0, gid: 0, additionalGids: [0, 51] });
  });
  it("has a HOME of its own, unless somebody has chosen one", async () => {
    assert.equal(await homeIn(["HOME=/srv"], { user: "root" }), "HOME=/root");
    assert.equal(await homeIn(["HOME=/srv"], { user: "1234" }), "HOME=/");
    assert.equal(await homeIn([], { user: "root" }), "HOME=/root");
    assert.equal(await homeIn(["HOME=/srv"], {}), "HOME=/srv");
    assert.equal(await homeIn(["HOME=/chosen"], { user: "root" }), "HOME=/chosen");
    assert.equal(await homeIn(["HOME=/srv"], { user: "root", env: ["HOME=/mine"] }), "HOME=/mine");
  });
});
