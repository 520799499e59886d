import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseExact, stringifyExact } from "../src/exact-json.ts";
import { readSeccomp } from "../src/spec/read-seccomp.ts";
import { resolveSeccomp, type SeccompHost } from "../src/spec/resolve-seccomp.ts";
import { parseSecurityOptions } from "../src/spec/security-opt.ts";

const host: SeccompHost = { capabilities: ["CAP_CHOWN", "CAP_SYS_ADMIN"], arch: "x64", kernel: "6.1.0-13-amd64" };
const profile = (members: object) => JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", ...members });
const resolve = (members: object, changed: Partial<SeccompHost> = {}) =>
  resolveSeccomp(readSeccomp(profile(members)), { ...host, ...changed });
const errno = "SCMP_ACT_ERRNO";
const rule = (members: object) => ({ syscalls: [{ names: ["mkdir"], action: errno, ...members }] });
const isThere = (members: object, changed: Partial<SeccompHost> = {}) =>
  resolve(rule(members), changed).syscalls.length === 1;

describe("a seccomp profile", () => {
  it("in the OCI form reaches the runtime with every field", () => {
    const given = {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      architectures: ["SCMP_ARCH_X86_64"],
      flags: ["SECCOMP_FILTER_FLAG_LOG"],
      listenerPath: "/run/listener.sock",
      listenerMetadata: "who",
      syscalls: [
        { names: ["read", "write"], action: "SCMP_ACT_ALLOW" },
        {
          names: ["clone"],
          action: "SCMP_ACT_NOTIFY",
          args: [
            { index: 0, value: 1, valueTwo: 2, op: "SCMP_CMP_MASKED_EQ" },
            { index: 5, value: 3, op: "SCMP_CMP_GE" },
          ],
        },
        { names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 18 },
      ],
    };
    assert.deepEqual(resolveSeccomp(readSeccomp(JSON.stringify(given)), host), given);
  });

  it("may have one name in the place of a list, and errnos by name", () => {
    const members = { syscalls: [{ name: "mkdir", action: errno, errno: "EXDEV" }] };
    assert.deepEqual(resolve(members).syscalls, [{ names: ["mkdir"], action: errno, errnoRet: 18 }]);
    const both = { defaultAction: errno, defaultErrno: "ENOSYS", defaultErrnoRet: 38 };
    assert.equal(resolve(both).defaultErrnoRet, 38);
  });

  it("may say null and {} for what it does not say, and has comments", () => {
    const empty = { args: null, includes: {}, excludes: null, comment: "why", errnoRet: null };
    assert.deepEqual(resolve(rule(empty)).syscalls, [{ names: ["mkdir"], action: errno }]);
    assert.deepEqual(resolve({ syscalls: null, archMap: null }).syscalls, []);
  });

  it("takes from the map of architectures what is this machine's", () => {
    const archMap = [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: null },
    ];
    assert.deepEqual(resolve({ archMap }).architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    assert.deepEqual(resolve({ archMap }, { arch: "arm64" }).architectures, ["SCMP_ARCH_AARCH64"]);
    assert.equal(resolve({ archMap }, { arch: "s390x" }).architectures, undefined);
  });

  const conditions: [string, object, Partial<SeccompHost>, boolean][] = [
    ["all capabilities of includes are needed", { includes: { caps: ["CAP_CHOWN", "CAP_BPF"] } }, {}, false],
    ["and enough", { includes: { caps: ["CAP_CHOWN", "CAP_SYS_ADMIN"] } }, {}, true],
    ["a capability may lack its CAP_", { includes: { caps: ["sys_admin"] } }, {}, true],
    ["one architecture of includes is enough", { includes: { arches: ["arm64", "amd64"] } }, {}, true],
    ["and needed", { includes: { arches: ["arm64", "x86"] } }, {}, false],
    ["one capability of excludes excludes", { excludes: { caps: ["CAP_BPF", "CAP_CHOWN"] } }, {}, false],
    ["others do not", { excludes: { caps: ["CAP_BPF"] } }, {}, true],
    ["one architecture of excludes excludes", { excludes: { arches: ["s390x", "amd64"] } }, {}, false],
    ["on that machine only", { excludes: { arches: ["s390x"] } }, {}, true],
    ["and one of either kind is enough", { excludes: { arches: ["s390x"], caps: ["CAP_CHOWN"] } }, {}, false],
    ["excludes win over includes", { includes: { caps: ["CAP_CHOWN"] }, excludes: { caps: ["CAP_CHOWN"] } }, {}, false],
    ["a kernel that is old enough is included", { includes: { minKernel: "6.1" } }, {}, true],
    ["a younger minor is not", { includes: { minKernel: "6.2" } }, {}, false],
    ["versions are no decimals", { includes: { minKernel: "4.8" } }, { kernel: "4.18.0" }, true],
    ["a younger major is not", { includes: { minKernel: "7.0" } }, {}, false],
    ["a kernel is excluded from there on", { excludes: { minKernel: "4.8" } }, {}, false],
    ["and not before", { excludes: { minKernel: "6.10" } }, {}, true],
  ];
  for (const [title, members, changed, there] of conditions)
    it(`condition: ${title}`, () => assert.equal(isThere(members, changed), there));

  it("keeps masks of 64 bits exactly", () => {
    const text = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ERRNO",
      "args":[{"index":0,"value":18446744073709551615,"valueTwo":9223372036854775809,"op":"SCMP_CMP_MASKED_EQ"}]}]}`;
    const written = stringifyExact(resolveSeccomp(readSeccomp(text), host));
    assert.match(written, /"value":18446744073709551615,"op":"SCMP_CMP_MASKED_EQ","valueTwo":9223372036854775809/);
    assert.equal(stringifyExact(parseExact(written) as object), written);
  });

  const refused: [object, RegExp][] = [
    [{ defaultAction: undefined }, /^seccomp profile: defaultAction must be one of .*SCMP_ACT_ERRNO.*missing$/],
    [{ defaultAction: "ERRNO" }, /defaultAction must be one of/],
    [{ defaultaction: "SCMP_ACT_KILL" }, /defaultaction is not known/],
    [{ defaultErrnoRet: 1 }, /defaultErrnoRet is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only/],
    [{ defaultAction: errno, defaultErrno: "EWHAT" }, /defaultErrno must be an errno's name/],
    [{ defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/x" }, /defaultAction cannot be SCMP_ACT_NOTIFY/],
    [{ syscalls: {} }, /syscalls must be a list/],
    [{ architectures: ["x86_64"] }, /architectures\[0\] must be one of/],
    [{ archMap: [{ architecture: "SCMP_ARCH_X86_64", subArches: [] }] }, /archMap\[0\]\.subArches is not known/],
    [
      { architectures: ["SCMP_ARCH_X86"], archMap: [{ architecture: "SCMP_ARCH_X86" }] },
      /architectures and archMap cannot be given both/,
    ],
    [{ flags: ["SECCOMP_FILTER_FLAG_NOW"] }, /flags\[0\] must be one of/],
    [{ listenerPath: "relative" }, /listenerPath must be an absolute path/],
    [{ listenerMetadata: "x" }, /listenerMetadata has no listenerPath/],
    [rule({ name: "rmdir" }), /syscalls\[0\]\.name and syscalls\[0\]\.names cannot be given both/],
    [rule({ names: [] }), /syscalls\[0\]\.names is empty/],
    [rule({ names: "mkdir" }), /syscalls\[0\]\.names must be a list/],
    [rule({ names: ["mkdir "] }), /syscalls\[0\]\.names\[0\] must be the name of a system call/],
    [rule({ names: ["SYS_mkdir"] }), /syscalls\[0\]\.names\[0\] must be the name/],
    [rule({ Names: ["mkdir"] }), /syscalls\[0\]\.Names is not known: the fields here are name, names/],
    [rule({ action: undefined }), /syscalls\[0\]\.action must be one of/],
    [rule({ action: "SCMP_ACT_NOTIFY" }), /syscalls\[0\]\.action is SCMP_ACT_NOTIFY, and there is no listenerPath/],
    [rule({ action: "SCMP_ACT_ALLOW", errnoRet: 1 }), /syscalls\[0\]\.errnoRet is for/],
    [rule({ errnoRet: 1.5 }), /syscalls\[0\]\.errnoRet must be a whole number/],
    [rule({ errnoRet: 70_000 }), /syscalls\[0\]\.errnoRet is more than 65535/],
    [rule({ errnoRet: 1, errno: "ENOSYS" }), /errnoRet and syscalls\[0\]\.errno say different things/],
    [rule({ args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] }), /syscalls\[0\]\.args\[0\]\.index must be a whole/],
    [rule({ args: [{ index: 0, value: -1, op: "SCMP_CMP_EQ" }] }), /args\[0\]\.value must be a whole/],
    [rule({ args: [{ index: 0, value: 0, op: "EQ" }] }), /args\[0\]\.op must be one of/],
    [rule({ args: [{ index: 0, op: "SCMP_CMP_EQ" }] }), /args\[0\]\.value must be a whole number.*missing/],
    [rule({ args: [{ index: 0, value: 0, valueTwo: 1, op: "SCMP_CMP_EQ" }] }), /args\[0\]\.valueTwo is for/],
    [rule({ excludes: { minkernel: "4.8" } }), /syscalls\[0\]\.excludes\.minkernel is not known/],
    [rule({ excludes: { minKernel: "4" } }), /syscalls\[0\]\.excludes\.minKernel must be a kernel such as 4\.8/],
    [rule({ includes: { caps: ["CAP_NOPE"] } }), /syscalls\[0\]\.includes\.caps\[0\]: capability "CAP_NOPE"/],
    [rule({ includes: { arches: ["x86_64"] } }), /syscalls\[0\]\.includes\.arches\[0\] must be one of/],
    [rule({ includes: [] }), /syscalls\[0\]\.includes must be an object/],
  ];
  for (const [members, message] of refused)
    it(`is refused: ${message.source}`, () =>
      assert.throws(() => readSeccomp(profile(members)), { kind: "invalid-argument", message }));

  it("is JSON, and an object", () => {
    for (const bad of ["{", "[]", "null", "1"])
      assert.throws(() => readSeccomp(bad), { kind: "invalid-argument", message: /^seccomp profile/ }, bad);
  });
});

describe("security options", () => {
  it("are read with = and with :", () => {
    const none = { noNewPrivileges: null, seccomp: null, apparmor: null, openSystemPaths: null };
    assert.deepEqual(parseSecurityOptions([]), none);
    assert.deepEqual(parseSecurityOptions(["no-new-privileges"]), { ...none, noNewPrivileges: true });
    assert.deepEqual(parseSecurityOptions(["no-new-privileges=false", "apparmor:web"]), {
      ...none,
      noNewPrivileges: false,
      apparmor: "web",
    });
    assert.equal(parseSecurityOptions(["seccomp:unconfined"]).seccomp, "unconfined");
    assert.equal(parseSecurityOptions(["systempaths=unconfined"]).openSystemPaths, true);
  });

  it("that cannot be obeyed are refused by name", () => {
    for (const bad of [
      "x",
      "seccomp=",
      "seccomp={",
      "no-new-privileges=maybe",
      "apparmor=",
      "label=type:t",
      "toString",
    ])
      assert.throws(() => parseSecurityOptions([bad]), { kind: "invalid-argument" }, bad);
    assert.throws(() => parseSecurityOptions(["seccomp=unconfined", "seccomp={}"]), {
      message: /security option seccomp is given twice/,
    });
  });
});
