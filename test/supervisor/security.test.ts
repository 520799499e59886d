// What a user asks for to confine a container holds in it: told by system calls of its programs, under the real runtime.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { defaultSeccomp } from "../../packages/engine/src/spec/seccomp-profile.ts";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";

let berthd: Supervisor;
let berth: Berth;
let folder: string;

before(async () => {
  folder = mkdtempSync("/tmp/berth-security-test.");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address, `security-test-${process.pid}`);
  const archive = join(folder, "busybox.tar");
  const passwd = "root:x:0:0::/root:\r\nweb:x:33:44::/srv:/bin/sh\r\n";
  const files = [
    { path: "etc/passwd", content: passwd },
    { path: "etc/group", content: "root:x:0:\r\n  staff:x:50:web  \r\nadm:x:4:other,web\r\n" },
  ];
  writeBusyboxImage(archive, { format: "oci", name: "docker.io/library/busybox:latest", extraLayers: [files] });
  assert.equal((await berth("image", "import", archive)).code, 0);
});

after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const profileFile = (profile: object | string): string => {
  const path = join(folder, "profile.json");
  writeFileSync(path, typeof profile === "string" ? profile : JSON.stringify(profile));
  return `seccomp=${path}`;
};
const run = (options: readonly string[], ...command: string[]) =>
  berth("run", "--rm", ...options, "busybox", ...command);
/** What `mkdir` says under a profile. EXDEV is an errno that no other reason gives. */
const mkdirUnder = async (profile: object | string, ...options: string[]) =>
  await run(["--security-opt", profileFile(profile), ...options], "mkdir", "/tmp/x");
const stopped = /Invalid cross-device link/;
const EXDEV = 18;
const rule = (members: object) => ({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: EXDEV, ...members }],
});
const without = (names: readonly string[], dropped: readonly string[]) =>
  names.filter((name) => !dropped.includes(name));

describe("a seccomp profile", () => {
  const table: [string, object, string[], boolean][] = [
    ["names", rule({}), [], true],
    ["an errno by name", rule({ errnoRet: null, errno: "EXDEV" }), [], true],
    ["a capability that excludes, and is not there", rule({ excludes: { caps: ["CAP_SYS_PTRACE"] } }), [], true],
    [
      "a capability that excludes, and is there",
      rule({ excludes: { caps: ["CAP_SYS_PTRACE"] } }),
      ["--cap-add", "SYS_PTRACE"],
      false,
    ],
    ["a capability that is needed, and is there", rule({ includes: { caps: ["CAP_CHOWN"] } }), [], true],
    [
      "a capability that is needed, and dropped",
      rule({ includes: { caps: ["CAP_CHOWN"] } }),
      ["--cap-drop", "CHOWN"],
      false,
    ],
    ["a kernel of long ago", rule({ includes: { minKernel: "3.0" } }), [], true],
    ["a kernel that will be", rule({ includes: { minKernel: "99.0" } }), [], false],
    ["a kernel that excludes", rule({ excludes: { minKernel: "3.0" } }), [], false],
    ["another machine", rule({ includes: { arches: ["s390x"] } }), [], false],
    ["a machine that excludes", rule({ excludes: { arches: ["amd64", "arm64"] } }), [], false],
    [
      "a map of architectures",
      { ...rule({}), archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }] },
      [],
      true,
    ],
    ["an argument that does not match", rule({ args: [{ index: 1, value: 1, op: "SCMP_CMP_EQ" }] }), [], false],
    [
      "an argument of 64 bits that always matches",
      rule({ args: [{ index: 1, value: 0, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] }),
      [],
      true,
    ],
  ];
  for (const [title, profile, options, stops] of table)
    it(`${title}: mkdir ${stops ? "fails as it says" : "works"}`, async () => {
      const { code, stderr } = await mkdirUnder(profile, ...options);
      if (stops) assert.match(stderr, stopped);
      else assert.equal(stderr, "");
      assert.equal(code, stops ? 1 : 0);
    });

  it("with one name for each rule is obeyed for each", async () => {
    const syscalls = ["mkdir", "mkdirat"].map((name) => ({ name, action: "SCMP_ACT_ERRNO", errnoRet: EXDEV }));
    assert.match((await mkdirUnder({ defaultAction: "SCMP_ACT_ALLOW", syscalls })).stderr, stopped);
  });

  // Docker's default, in its form: everything that is allowed is listed, in part on conditions.
  it("in docker's form, of all its fields, runs programs and stops what it does not list", async () => {
    const allowed = defaultSeccomp([]).syscalls;
    const profile = {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: EXDEV,
      archMap: [
        { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
        { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
        { architecture: "SCMP_ARCH_RISCV64", subArchitectures: null },
      ],
      syscalls: [
        ...allowed.map((each) => ({
          ...each,
          names: without(each.names, ["mkdir", "mkdirat", "ptrace"]),
          comment: "",
        })),
        { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" }, excludes: {} },
        { names: ["arch_prctl"], action: "SCMP_ACT_ALLOW", includes: { arches: ["amd64", "x32"] } },
        { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_PTRACE"] }, args: [] },
        { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38, excludes: { caps: ["CAP_SYS_ADMIN"] } },
      ].filter(({ names }) => names.length > 0),
    };
    assert.match((await mkdirUnder(profile)).stderr, stopped);
    assert.deepEqual(await mkdirUnder(profile, "--cap-add", "SYS_PTRACE"), { code: 0, stdout: "", stderr: "" });
  });

  it("that cannot be obeyed is refused with its path, and nothing is made", async () => {
    for (const [profile, message] of [
      [rule({ excludes: { minkernel: "4.8" } }), /seccomp profile: syscalls\[0\]\.excludes\.minkernel is not known/],
      [rule({ Names: [] }), /seccomp profile: syscalls\[0\]\.Names is not known/],
      [{ ...rule({}), flag: [] }, /seccomp profile: flag is not known/],
      ["{", /seccomp profile is not JSON/],
    ] as const) {
      const { code, stderr } = await mkdirUnder(profile);
      assert.match(stderr, message);
      assert.equal(code, 125);
    }
    assert.equal((await berth("ps", "-aq")).stdout, "");
  });

  it("whose flags the runtime has not got is refused by that", async () => {
    const { code, stderr } = await mkdirUnder({ ...rule({}), flags: ["SECCOMP_FILTER_FLAG_LOG"] });
    // runc has them from 1.1.6 on.
    if (code === 125) assert.match(stderr, /seccomp flags are not yet supported/);
    else assert.match(stderr, stopped);
  });

  it("is an exec's too", async () => {
    await berth("run", "-d", "--name", "confined", "--security-opt", profileFile(rule({})), "busybox", "sleep", "1000");
    const { stderr } = await berth("exec", "confined", "mkdir", "/tmp/x");
    await berth("rm", "-f", "confined");
    assert.match(stderr, stopped);
  });
});

describe("other safety options", () => {
  it("AppArmor is refused where the kernel has none", async () => {
    const { code, stderr } = await run(["--security-opt", "apparmor=nothere"], "true");
    assert.equal(code, 125);
    const isOn = existsSync("/sys/module/apparmor/parameters/enabled");
    assert.match(
      stderr,
      isOn ? /apparmor/i : /apparmor profile "nothere" cannot be used: this kernel runs no AppArmor/,
    );
  });

  it("paths of /proc are hidden unless they are asked for", async () => {
    const size = ["sh", "-c", "wc -c </proc/keys; (echo >/proc/sys/kernel/hostname) 2>/dev/null || echo read-only"];
    assert.equal((await run([], ...size)).stdout, "0\nread-only\n");
    const open = await run(["--security-opt", "systempaths=unconfined"], ...size);
    assert.doesNotMatch(open.stdout, /read-only/);
  });

  it("an option of a volume that would do nothing is refused", async () => {
    for (const option of ["readonly", "RO", "Z"]) {
      const { code, stderr } = await run(["-v", `${folder}:/mine:${option}`], "true");
      assert.equal(code, 125);
      assert.match(stderr, new RegExp(`mount at /mine: option "${option}" does nothing`));
    }
  });

  it("a read-only volume is so with all that is mounted in it", async () => {
    const volume = join(folder, "volume");
    mkdirSync(join(volume, "inner"), { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(volume, "inner")]);
    try {
      const touch = "touch /v/a /v/inner/b 2>&1 | grep -c 'Read-only file system'";
      assert.equal((await run(["-v", `${volume}:/v:ro`], "sh", "-c", touch)).stdout, "2\n");
      assert.equal((await run(["-v", `${volume}:/v`], "sh", "-c", touch)).stdout, "0\n");
      // What is mounted on the host is as it was.
      writeFileSync(join(volume, "inner/c"), "");
      assert.equal(readFileSync(join(volume, "inner/b"), "utf8"), "");
    } finally {
      execFileSync("umount", [join(volume, "inner")]);
    }
  });
});

describe("users of an image whose files have CRLF and blanks", () => {
  const who = 'echo "$(id -u) $(id -g) $(grep ^Groups /proc/self/status | tr -d "[:cntrl:]") $HOME"';
  for (const [user, told] of [
    ["web", "33 44 Groups:4 44 50  /srv"],
    ["33", "33 44 Groups:4 44 50  /srv"],
    ["web:staff", "33 50 Groups:50  /srv"],
    ["77:staff", "77 50 Groups:50  /"],
    [":staff", "0 50 Groups:50  /root"],
  ] as const) {
    it(`run and exec as ${user}`, async () => {
      assert.equal((await run(["-u", user], "sh", "-c", who)).stdout, `${told}\n`);
      await berth("run", "-d", "--name", "users", "busybox", "sleep", "1000");
      const { stdout } = await berth("exec", "-u", user, "users", "sh", "-c", who);
      await berth("rm", "-f", "users");
      assert.equal(stdout, `${told}\n`);
    });
  }

  it("a user who is not there is named by both", async () => {
    const message = /user "amelie" is not in \/etc\/passwd of image docker.io\/library\/busybox:latest/;
    const ran = await run(["-u", "amelie"], "true");
    assert.deepEqual([ran.code, message.test(ran.stderr)], [125, true]);
    await berth("run", "-d", "--name", "users", "busybox", "sleep", "1000");
    const executed = await berth("exec", "-u", "amelie", "users", "true");
    await berth("rm", "-f", "users");
    assert.deepEqual([executed.code, message.test(executed.stderr)], [125, true]);
  });
});
