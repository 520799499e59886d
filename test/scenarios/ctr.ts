// The same daemons and shims as a person at a terminal meets them: Debian's ctr.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeBusyboxImage } from "../support/image.ts";
import { eventually } from "./expect.ts";
import { area, scenario } from "./scenario.ts";
import type { World } from "./world.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const ctr = (w: World, ...args: string[]): Promise<Outcome> =>
  w.stage.daemon.ctr("-n", w.stage.namespace, ...args).then(
    (stdout) => ({ code: 0, stdout, stderr: "" }),
    (error: Outcome) => error,
  );

const run = (w: World, id: string, flags: readonly string[], ...command: string[]) => {
  const cgroup = ["--cgroup", `/${w.stage.namespace}/${id}`, "--env", "PATH=/bin"];
  return ctr(w, "run", "--runtime", w.pair.runtime, "--rootfs", ...cgroup, ...flags, w.stage.rootfs, id, ...command);
};

export const ctrArea = area("ctr", [
  scenario("run --rm: output, errors and exit code", async (w) => {
    const { code, stdout, stderr } = await run(w, w.newId(), ["--rm"], "sh", "-c", "echo out; echo err >&2; exit 9");
    assert.deepEqual([code, stdout, stderr], [9, "out\n", "err\n"]);
  }),
  scenario("run of a command that is not there", async (w) => {
    const { code, stderr } = await run(w, w.newId(), ["--rm"], "nonsense");
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^ctr: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nonsense": executable file not found in \$PATH: unknown\n$/m,
    );
  }),
  scenario("run --null-io -d, exec, ps, pause, resume, metrics, kill, delete", async (w) => {
    const id = w.newId();
    assert.deepEqual((await run(w, id, ["-d", "--null-io"], "sleep", "1000")).code, 0);
    try {
      const exec = await ctr(w, "tasks", "exec", "--exec-id", "e", id, "sh", "-c", "echo in; exit 3");
      assert.deepEqual([exec.code, exec.stdout], [3, "in\n"]);
      assert.match((await ctr(w, "tasks", "ps", id)).stdout, /^PID\s+INFO\n\d+\s+-\n$/);
      assert.equal((await ctr(w, "tasks", "pause", id)).code, 0);
      assert.match((await ctr(w, "tasks", "ls")).stdout, new RegExp(`${id}\\s+\\d+\\s+PAUSED`));
      assert.match((await ctr(w, "tasks", "pause", id)).stderr, /cannot pause a paused container: unknown/);
      assert.equal((await ctr(w, "tasks", "resume", id)).code, 0);
      assert.match((await ctr(w, "tasks", "metrics", id)).stdout, /memory.usage_in_bytes\s+[1-9]/);
      const refusal = (await ctr(w, "tasks", "delete", id)).stderr;
      assert.match(refusal, /task must be stopped before deletion: running: failed precondition/);
    } finally {
      await ctr(w, "tasks", "kill", "-s", "9", id);
      await eventually("it stops", async () => (await ctr(w, "tasks", "ls")).stdout.includes("STOPPED"));
      await ctr(w, "tasks", "delete", id);
      await ctr(w, "containers", "rm", id);
    }
  }),
  scenario("an image is imported and run from its snapshot", async (w) => {
    const image = "docker.io/library/busybox:scenario";
    const archive = join(w.dir, "image.tar");
    await writeBusyboxImage(archive, { format: "oci", name: image });
    const imported = await ctr(w, "images", "import", archive);
    assert.equal(imported.code, 0, imported.stderr);
    const id = w.newId();
    const cgroup = ["--cgroup", `/${w.stage.namespace}/${id}`];
    const args = ["run", "--rm", "--runtime", w.pair.runtime, ...cgroup, image, id, "sh", "-c", "echo hello; exit 5"];
    const { code, stdout } = await ctr(w, ...args);
    assert.deepEqual([code, stdout], [5, "hello\n"]);
  }),
  scenario("a container with a log file", async (w) => {
    const log = join(w.dir, "log");
    const id = w.newId();
    const { code, stderr } = await run(w, id, ["-d", "--log-uri", `file://${log}`], "sh", "-c", "echo logged");
    assert.equal(code, 0, stderr);
    await w.events.until(id, "exit");
    assert.equal((await ctr(w, "tasks", "delete", id)).code, 0);
    await ctr(w, "containers", "rm", id);
    assert.equal(readFileSync(log, "utf8"), "logged\n");
  }),
]);
