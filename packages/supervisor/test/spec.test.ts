import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CreateContainerRequest } from "@berth/proto/berth/v1";
import { capabilitiesOfMask, changeCapabilities, defaultCapabilities } from "../src/spec/capabilities.ts";
import { mergeEnvironment } from "../src/spec/environment.ts";
import { makeSpec } from "../src/spec/make-spec.ts";
import { defaultSeccomp } from "../src/spec/seccomp-profile.ts";
import { parseSignal } from "../src/spec/signals.ts";

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

  it("the host's network comes with its name resolution and without a namespace", async () => {
    const { linux, mounts } = await make({ network: "host" });
    assert.ok(!linux.namespaces.some((namespace) => namespace.type === "network"));
    assert.ok(mounts.some((mount) => mount.destination === "/etc/resolv.conf"));
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
