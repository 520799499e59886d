// berthd as a unit of systemd's: the service file as it is shipped, under a real systemd.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, describe, it } from "node:test";
import { type Berth, berthAt } from "../client/berth.ts";
import { alive, eventually } from "../scenarios/expect.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { processesNaming } from "../support/leftovers.ts";
import { onlyInVm, systemctl, unitProperty } from "./in-vm.ts";

const top = resolve(import.meta.dirname, "../..");
const unit = "berth.service";
const image = "docker.io/library/busybox:latest";
const address = "/run/berth/berth.sock";

describe("berthd as a unit of systemd's", onlyInVm, () => {
  let dir: string;
  let berth: Berth;
  const must = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await berth(...args);
    assert.equal(code, 0, `berth ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const count = () => Number(existsSync(join(dir, "count")) ? readFileSync(join(dir, "count"), "utf8") : 0);
  /** The container has gone on by so much since now. */
  const goesOn = async (steps: number) => {
    const from = count();
    await eventually(`${steps} more lines`, () => count() >= from + steps);
  };
  const mainPid = async () => Number(await unitProperty(unit, "MainPID"));
  const pidOf = async (id: string): Promise<number> => {
    const { pid } = JSON.parse(await must("inspect", id))[0].task;
    return pid;
  };

  before(async () => {
    dir = mkdtempSync("/run/unit-");
    symlinkSync(join(top, "dist/bin/berthd"), "/usr/local/bin/berthd");
    copyFileSync(join(top, "packages/supervisor/systemd", unit), `/etc/systemd/system/${unit}`);
    await systemctl("daemon-reload");
    berth = await berthAt(address, "default");
  });

  it("is started when it answers, not before", async () => {
    await systemctl("start", unit);
    assert.equal(await unitProperty(unit, "Type"), "notify");
    await must("version");
    assert.match(readFileSync(`/proc/${await mainPid()}/cmdline`, "utf8"), /berthd/);
  });

  it("runs a container that writes lines", async () => {
    const archive = join(dir, "image.tar");
    await writeBusyboxImage(archive, { format: "oci", name: image });
    await must("image", "import", archive);
    const script = "i=0; while :; do echo $i; i=$((i+1)); echo $i >/t/new; mv /t/new /t/count; sleep 0.05; done";
    await must("run", "-d", "--name", "lines", "-v", `${dir}:/t`, image, "sh", "-c", script);
    await goesOn(5);
  });

  for (const [how, act] of [
    ["systemctl restart", () => systemctl("restart", unit)],
    [
      "SIGKILL to berthd, which systemd answers with a restart",
      async () => {
        const before = await mainPid();
        await systemctl("kill", "--kill-whom=main", "--signal=KILL", unit);
        await eventually(
          "a new berthd",
          async () => (await unitProperty(unit, "ActiveState")) === "active" && ![0, before].includes(await mainPid()),
        );
      },
    ],
    [
      "systemctl stop, a while, and systemctl start",
      async () => {
        await systemctl("stop", unit);
        assert.equal(await mainPid(), 0);
        await goesOn(20);
        await systemctl("start", unit);
      },
    ],
  ] as const)
    it(`loses neither the container nor a line: ${how}`, async () => {
      const [berthd, container] = [await mainPid(), await pidOf("lines")];
      await act();
      assert.notEqual(await mainPid(), berthd);
      assert.equal(await pidOf("lines"), container);
      await goesOn(5);
      const lines = (await must("logs", "lines")).trim().split("\n");
      assert.ok(lines.length >= 10);
      assert.deepEqual(
        lines,
        lines.map((_, index) => String(index)),
      );
    });

  it("reports the exit that came while it was stopped", async () => {
    const script = "while [ ! -e /t/go ]; do sleep 0.05; done; exit 7";
    await must("run", "-d", "--name", "seven", "-v", `${dir}:/t`, image, "sh", "-c", script);
    const pid = await pidOf("seven");
    await systemctl("stop", unit);
    writeFileSync(join(dir, "go"), "");
    await eventually("the end of the container", () => !alive(pid));
    await systemctl("start", unit);
    assert.equal((await berth("wait", "seven")).stdout.trim(), "7");
    await must("rm", "seven");
  });

  it("cleans up after shims that were killed with it (systemctl kill, of all that is in the unit)", async () => {
    const [before, container] = [await mainPid(), await pidOf("lines")];
    await systemctl("kill", "--signal=KILL", unit);
    await eventually(
      "a new berthd",
      async () => (await unitProperty(unit, "ActiveState")) === "active" && ![0, before].includes(await mainPid()),
    );
    await eventually("the end of the container", () => !alive(container));
    assert.doesNotMatch(await must("ps"), /lines/);
    await must("rm", "-f", "lines");
    assert.deepEqual(processesNaming("containerd-shim-berth-v2"), []);
    mkdirSync(join(dir, "again"));
    assert.equal(await must("run", "--rm", image, "echo", "goes on"), "goes on\n");
  });
});
