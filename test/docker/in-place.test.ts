// The berth shim takes the place of the Go one on a machine that has containers: those stay with the shim that
// they have, and what they leave is cleaned up by the new one.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { ownShim } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { processesNaming } from "../support/leftovers.ts";
import { dockerOnContainerd } from "./containerd.ts";

const image = "busybox:docker-test";

it("containers of the Go shim go on when the berth shim takes its place", async () => {
  const directory = mkdtempSync("/run/berth-path-");
  try {
    await using subject = await dockerOnContainerd({ path: `${directory}:${process.env.PATH}` });
    const { docker } = subject;
    writeBusyboxImage(join(directory, "busybox.tar"), { format: "docker", name: image });
    await docker.ok("load", "--input", join(directory, "busybox.tar"));
    const detached = (name: string) =>
      docker.ok("run", "--detach", "--network=none", "--init", "--name", name, image, "sleep", "1000");
    const shimOf = (id: string) => {
      const [shim, ...more] = processesNaming(id).filter(({ command }) => command.includes("shim"));
      assert.ok(shim !== undefined && more.length === 0);
      return shim;
    };
    const [one, two] = [await detached("one"), await detached("two")];
    assert.match(shimOf(one).command, /^\/usr\/bin\/containerd-shim-runc-v2 /);

    symlinkSync(ownShim, join(directory, "containerd-shim-runc-v2"));
    await subject.killDaemons();
    await subject.restartDaemons();

    const three = await detached("three");
    assert.ok(shimOf(three).command.startsWith(`${directory}/containerd-shim-runc-v2 `));
    for (const name of ["one", "two", "three"]) assert.equal(await docker.ok("exec", name, "echo", name), name);
    await docker.ok("stop", "--time=10", "one");
    assert.equal(await docker.ok("wait", "one"), "143");
    // Its shim is gone: containerd lets the new one delete the container.
    process.kill(shimOf(two).pid, "SIGKILL");
    assert.equal(await docker.ok("wait", "two"), "137");
    await docker.ok("start", "one", "two");
    for (const id of [one, two]) assert.ok(shimOf(id).command.startsWith(directory));
    await docker.ok("rm", "--force", "one", "two", "three");
    for (const id of [one, two, three]) assert.deepEqual(processesNaming(id), []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
