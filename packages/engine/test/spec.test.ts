import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CreateContainerRequest } from "@berth/proto/berth/v1";
import { capabilitiesOfMask, changeCapabilities, defaultCapabilities } from "../src/spec/capabilities.ts";
import { mergeEnvironment } from "../src/spec/environment.ts";
import { makeSpec } from "../src/spec/make-spec.ts";
import { defaultSeccomp } from "../src/spec/seccomp-profile.ts";
import { parseSignal } from "../src/spec/signals.ts";
import { withDefaults } from "../src/spec/ulimits.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:44:web:/srv:/bin/sh\n7:x:70:70::/seven:/bin/sh\n";
const group = "root:x:0:\nstaff:x:50:web,other\nadm:x:4:web\nweb:x:44:\n";
const read = async (path: string) => (path === "/etc/passwd" ? passwd : path === "/etc/group" ? group : null);
const config = {
  User: "",
  Env: ["PATH=/image/bin", "TERM=vt100"],
  Entrypoint: [],
  Cmd: ["/bin/sh"],
  WorkingDir: "",
  Labels: {},
  StopSignal: "",
  Volumes: [],
};
const make = (options: Partial<CreateContainerRequest>) =>
  makeSpec({
    namespace: "ns",
    id: "box",
    image: "img",
    config,
    options: CreateContainerRequest.create(options as CreateContainerRequest),
    read,
    files: "/files/ns/box",
  });

describe("the environment", () => {
  it("later layers win in the place of the earlier, and PATH is always there", () => {
    assert.deepEqual(mergeEnvironment([["A=1", "B=2"], ["A=3"]], false).slice(1), ["A=3", "B=2"]);
    assert.match(mergeEnvironment([], false)[0] ?? "", /^PATH=.*\/sbin/);
    assert.deepEqual(mergeEnvironment([["PATH=/x"]], true), ["PATH=/x", "TERM=xterm"]);
  });
});

describe("capabilities", () => {
  const all = ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NET_ADMIN"];
  const change = (add: string[], drop: string[]) => changeCapabilities(defaultCapabilities, { add, drop, all });
  it("are added and dropped by name, with or without CAP_", () => {
    assert.ok(change(["sys_admin"], []).includes("CAP_SYS_ADMIN"));
    assert.ok(!change([], ["CAP_MKNOD"]).includes("CAP_MKNOD"));
    assert.deepEqual(change(["CHOWN"], ["ALL"]), ["CAP_CHOWN"]);
    assert.deepEqual(change(["all"], ["all", "CHOWN"]), ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]);
    assert.throws(() => change(["CHOWN"], ["cap_chown"]), { message: /CAP_CHOWN is both added and dropped/ });
    assert.throws(() => change(["SYS_FOO"], []), { kind: "invalid-argument" });
  });
  it("are read from the mask of a process", () => {
    assert.deepEqual(capabilitiesOfMask("0000000000000003"), ["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
    assert.equal(capabilitiesOfMask("000001ffffffffff").length, 41);
  });
});

describe("the spec", () => {
  it("replaces the command or the entrypoint as docker does", async () => {
    assert.deepEqual((await make({})).process.args, ["/bin/sh"]);
    assert.deepEqual((await make({ args: ["ls", "-l"] })).process.args, ["ls", "-l"]);
    assert.deepEqual((await make({ entrypoint: ["/e"] })).process.args, ["/e"]);
    assert.deepEqual((await make({ entrypoint: ["/e"], args: ["x"] })).process.args, ["/e", "x"]);
  });

  it("has seccomp and no new privileges on, and privileged turns both off", async () => {
    const plain = await make({});
    assert.equal(plain.linux.seccomp?.defaultAction, "SCMP_ACT_ERRNO");
    assert.equal(plain.process.noNewPrivileges, true);
    assert.ok(plain.linux.maskedPaths?.includes("/proc/kcore"));
    const wide = await make({ privileged: true });
    assert.equal(wide.linux.seccomp, undefined);
    assert.equal(wide.process.noNewPrivileges, false);
    assert.deepEqual(wide.linux.maskedPaths, []);
    assert.deepEqual(wide.linux.resources.devices, [{ allow: true, access: "rwm" }]);
    assert.ok(
      wide.linux.devices?.some((device) => device.path === "/dev/null" && device.major === 1 && device.minor === 3),
    );
    assert.ok(wide.mounts.find((mount) => mount.type === "sysfs")?.options.includes("rw"));
  });

  it("limits memory, cores and processes", async () => {
    const { resources } = (await make({ memoryLimit: 64 << 20, cpus: 1.5, pidsLimit: 9 })).linux;
    assert.deepEqual(resources.memory, { limit: 64 << 20 });
    assert.deepEqual(resources.cpu, { quota: 150_000, period: 100_000 });
    assert.deepEqual(resources.pids, { limit: 9 });
    assert.equal((await make({ pidsLimit: -1 })).linux.resources.pids, undefined);
    await assert.rejects(make({ pidsLimit: -2 }), { kind: "invalid-argument" });
  });

  it("a mount takes the place of the default one at its destination", async () => {
    const mount = { type: "", source: "/host", destination: "/run", options: ["ro"] };
    const { mounts } = await make({ mounts: [mount] });
    assert.deepEqual(
      mounts.filter((one) => one.destination === "/run"),
      [{ destination: "/run", type: "bind", source: "/host", options: ["rbind", "ro", "rro"] }],
    );
  });

  it("the host's network comes without a namespace", async () => {
    const { linux } = await make({ network: "host" });
    assert.ok(!linux.namespaces.some((namespace) => namespace.type === "network"));
  });

  it("binds files that are made for the container, unless the user has mounted something there", async () => {
    const bound = async (options: Partial<CreateContainerRequest>) =>
      (await make(options)).mounts
        .filter(({ source }) => source.startsWith("/files/"))
        .map((mount) => mount.destination);
    const mount = (destination: string) => ({ mounts: [{ type: "", source: "/host", destination, options: [] }] });
    assert.deepEqual(await bound({}), ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]);
    assert.deepEqual(await bound({ network: "host" }), ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]);
    assert.deepEqual(await bound(mount("/etc/hosts")), ["/etc/hostname", "/etc/resolv.conf"]);
    assert.deepEqual(await bound(mount("/etc")), []);
    assert.deepEqual((await bound(mount("/etc/hosts.d"))).length, 3);
    const { mounts } = await make({ readOnly: true });
    assert.deepEqual(
      mounts.find(({ destination }) => destination === "/etc/hosts"),
      {
        destination: "/etc/hosts",
        type: "bind",
        source: "/files/ns/box/hosts",
        options: ["bind", "rprivate", "ro"],
      },
    );
  });

  it("has the id for its name, or one that can stand in hosts", async () => {
    assert.equal((await make({})).hostname, "box");
    assert.equal((await make({ hostname: "a.example" })).hostname, "a.example");
    for (const hostname of ["a b", "x\n127.0.0.1 bank", "-a", "a".repeat(65), "ä"])
      await assert.rejects(make({ hostname }), { kind: "invalid-argument", message: /^hostname / }, hostname);
  });

  it("limits what processes may use, and gives them files enough", async () => {
    const limits = async (...ulimits: string[]) => (await make({ ulimits })).process.rlimits;
    const files = (hard: number, soft: number) => [{ type: "RLIMIT_NOFILE", hard, soft }];
    assert.deepEqual(withDefaults([], 1 << 20), files(524_288, 65_536));
    assert.deepEqual(withDefaults([], 20_000), files(20_000, 20_000));
    assert.deepEqual(await limits(), withDefaults([]));
    assert.deepEqual(await limits("nofile=10:20"), [{ type: "RLIMIT_NOFILE", hard: 20, soft: 10 }]);
    assert.deepEqual((await limits("core=0", "nproc=5:6", "core=7"))?.slice(1), [
      { type: "RLIMIT_CORE", hard: 7, soft: 7 },
      { type: "RLIMIT_NPROC", hard: 6, soft: 5 },
    ]);
    const [, memlock] = (await limits("memlock=1:-1")) ?? [];
    assert.deepEqual(memlock, { type: "RLIMIT_MEMLOCK", hard: 18446744073709551615n, soft: 1 });
    for (const bad of [
      "nofile",
      "files=1",
      "nofile=2:1",
      "nofile=x",
      "nofile=-2",
      "NOFILE=1",
      "nofile=1:2:3",
      "core=99999999999999999999",
      "nofile=-1",
    ])
      await assert.rejects(make({ ulimits: [bad] }), { kind: "invalid-argument", message: /^ulimit / }, bad);
  });

  it("obeys security options, or refuses them", async () => {
    const open = await make({ securityOpt: ["systempaths=unconfined", "no-new-privileges=false"] });
    assert.deepEqual([open.linux.maskedPaths, open.linux.readonlyPaths], [[], []]);
    assert.equal(open.process.noNewPrivileges, false);
    assert.equal((await make({ securityOpt: ["seccomp=unconfined"] })).linux.seccomp, undefined);
    assert.equal((await make({ securityOpt: ["apparmor=unconfined"] })).process.apparmorProfile, undefined);
    const rules = [
      { names: ["mkdir"], action: "SCMP_ACT_ERRNO", excludes: { caps: ["CAP_SYS_ADMIN"] } },
      { names: ["rmdir"], action: "SCMP_ACT_ERRNO", excludes: { caps: ["CAP_CHOWN"] } },
    ];
    const profile = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: rules });
    const { seccomp } = (await make({ securityOpt: [`seccomp=${profile}`] })).linux;
    assert.deepEqual(seccomp?.syscalls, [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }]);
  });

  it("a terminal brings TERM unless the image has one", async () => {
    const { process } = await make({ terminal: true });
    assert.equal(process.terminal, true);
    assert.ok(process.env?.includes("TERM=vt100"));
  });
});

describe("the default seccomp profile", () => {
  const allowed = (capabilities: string[]) =>
    defaultSeccomp(capabilities, "x64").syscalls.flatMap((rule) =>
      rule.action === "SCMP_ACT_ALLOW" && rule.args === undefined ? rule.names : [],
    );
  it("names every system call once for each condition", () => {
    const names = allowed([]);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.length > 300);
  });
  it("opens what a capability stands for, and nothing of it without", () => {
    for (const name of [
      "mount",
      "bpf",
      "setns",
      "reboot",
      "init_module",
      "keyctl",
      "add_key",
      "kexec_load",
      "io_uring_setup",
    ])
      assert.ok(!allowed([]).includes(name), name);
    assert.ok(allowed(["CAP_SYS_ADMIN"]).includes("mount"));
    assert.ok(allowed(["CAP_SYS_CHROOT"]).includes("chroot"));
  });
  it("answers clone3 with ENOSYS, so that threads are made with clone", () => {
    const { syscalls } = defaultSeccomp([], "x64");
    assert.equal(syscalls.find((rule) => rule.names.includes("clone3"))?.errnoRet, 38);
  });
});

it("signals have names, numbers and realtime names", () => {
  for (const [name, number] of [
    ["TERM", 15],
    ["sigkill", 9],
    ["2", 2],
    ["RTMIN+3", 37],
    ["SIGRTMAX-1", 63],
  ] as const)
    assert.equal(parseSignal(name), number);
  for (const bad of ["", "SIGFOO", "0", "65", "-1"])
    assert.throws(() => parseSignal(bad), { kind: "invalid-argument" });
});
