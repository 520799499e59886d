// Real containerd and its ctr drive the shim; the same is asked of containerd's own shim first.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { processesNaming } from "../support/leftovers.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { shimBinary, until } from "./harness.ts";

const run = promisify(execFile);
const image = "docker.io/library/busybox:test";

/** Ids are never used twice: both daemons share runc's root. */
let made = 0;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

for (const [name, runtime] of [
  ["containerd's own shim", "/usr/bin/containerd-shim-runc-v2"],
  ["this shim", shimBinary],
] as const)
  describe(`${name} under containerd`, { skip: !hasContainerd() }, () => {
    let daemon: Supervisor;
    const ids: string[] = [];
    const newId = (): string => {
      const id = `c${process.pid}-${++made}`;
      ids.push(id);
      return id;
    };
    const ctr = (...args: string[]): Promise<Outcome> =>
      run("ctr", ["--address", daemon.address, ...args]).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (error: { code: number; stdout: string; stderr: string }) => error,
      );
    const runCtr = (flags: readonly string[], id: string, ...command: string[]) =>
      ctr("run", "--runtime", runtime, ...flags, image, id, ...command);
    const remove = async (id: string): Promise<void> => {
      await ctr("tasks", "kill", "-s", "9", id);
      let gone = await ctr("tasks", "delete", "-f", id);
      for (let tries = 0; tries < 50 && gone.stderr.includes("running"); tries++)
        gone = await ctr("tasks", "delete", "-f", id);
      await ctr("containers", "rm", id);
    };

    before(async () => {
      daemon = await startContainerd();
      const archive = join(daemon.dir, "image.tar");
      writeBusyboxImage(archive, { format: "oci", name: image });
      await daemon.ctr("images", "import", archive);
    });
    after(async () => {
      await daemon.stop();
    });

    it("runs a command, with its output and its exit code", async () => {
      const ran = await runCtr(["--rm"], newId(), "sh", "-c", "echo out; echo err >&2; exit 7");
      assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, "out\n", "err\n"]);
      assert.equal((await runCtr(["--rm"], newId(), "true")).code, 0);
    });

    it("brings input to a command and its end", async () => {
      const args = ["--address", daemon.address, "run", "--rm", "--runtime", runtime, image, newId()];
      const child = spawn("ctr", [...args, "sh", "-c", "echo ready; cat"]);
      let out = "";
      child.stdout.on("data", (chunk) => {
        // ctr loses the end of an input that ends before the task is there.
        if (out === "") child.stdin.end("through\n");
        out += chunk;
      });
      child.stderr.on("data", (chunk) => {
        out += chunk;
      });
      await new Promise((done) => child.once("close", done));
      assert.equal(out, "ready\nthrough\n");
    });

    it("names a command that is not there", async () => {
      const ran = await runCtr(["--rm"], newId(), "nonsense");
      assert.equal(ran.code, 1);
      assert.match(
        ran.stderr,
        /ctr: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nonsense": executable file not found in \$PATH: unknown/,
      );
    });

    it("runs in the background: list, exec, ps, pause, resume, metrics, kill, delete", async () => {
      const id = newId();
      assert.equal((await runCtr(["-d"], id, "sleep", "1000")).code, 0);
      assert.match((await ctr("tasks", "ls")).stdout, new RegExp(`${id}\\s+\\d+\\s+RUNNING`));
      const exec = await ctr("tasks", "exec", "--exec-id", "e1", id, "sh", "-c", "echo in; exit 3");
      assert.deepEqual([exec.code, exec.stdout], [3, "in\n"]);
      const bad = await ctr("tasks", "exec", "--exec-id", "e2", id, "nonsense");
      assert.match(
        bad.stderr,
        /OCI runtime exec failed: exec failed: unable to start container process: exec: "nonsense": executable file not found in \$PATH: unknown/,
      );
      assert.match((await ctr("tasks", "ps", id)).stdout, /PID\s+INFO\n\d+\s+-\n/);
      assert.equal((await ctr("tasks", "pause", id)).code, 0);
      assert.match((await ctr("tasks", "ls")).stdout, /PAUSED/);
      assert.match((await ctr("tasks", "pause", id)).stderr, /cannot pause a paused container: unknown/);
      assert.equal((await ctr("tasks", "resume", id)).code, 0);
      assert.match((await ctr("tasks", "resume", id)).stderr, /cannot resume a running process: unknown/);
      const metrics = await ctr("tasks", "metrics", id);
      assert.match(metrics.stdout, /memory.usage_in_bytes\s+[1-9]/);
      assert.match(
        (await ctr("tasks", "delete", id)).stderr,
        /task must be stopped before deletion: running: failed precondition/,
      );
      assert.equal((await ctr("tasks", "kill", "-s", "9", id)).code, 0);
      let gone = await ctr("tasks", "delete", id);
      while (gone.stderr.includes("must be stopped")) gone = await ctr("tasks", "delete", id);
      assert.equal(gone.code, 0);
      assert.match((await ctr("tasks", "kill", id)).stderr, /not found/);
      await ctr("containers", "rm", id);
    });

    it("keeps a container that was stopped until it is deleted", async () => {
      const id = newId();
      await runCtr(["-d"], id, "sh", "-c", "exit 5");
      let list = await ctr("tasks", "ls");
      while (!list.stdout.includes("STOPPED")) list = await ctr("tasks", "ls");
      assert.match((await ctr("tasks", "kill", id)).stderr, /process already finished: not found|not found/);
      const deleted = await ctr("tasks", "delete", id);
      assert.match(deleted.stderr, /exit with non-zero exit code 5/);
      await ctr("containers", "rm", id);
    });

    it("is a terminal", async () => {
      const command = `ctr --address ${daemon.address} run --rm -t --runtime ${runtime} ${image} ${newId()} sh -c 'test -t 0 && test -t 1 && echo tty; exit 6'`;
      const ran = await run("script", ["-qec", command, "/dev/null"]).catch((error: Outcome) => error);
      assert.match(ran.stdout, /tty\r+\n/);
      assert.equal((ran as Outcome).code, 6);
    });

    it("leaves a container that is cleaned up when it is killed", async () => {
      const id = newId();
      await runCtr(["-d"], id, "sleep", "1000");
      const shims = processesNaming(daemon.dir).filter(
        ({ command }) => command.startsWith(runtime) && command.includes(` ${id} `),
      );
      assert.equal(shims.length, 1);
      process.kill(shims[0]?.pid ?? 0, "SIGKILL");
      const bundle = join(daemon.state, "io.containerd.runtime.v2.task/default", id);
      await until(() => !existsSync(bundle));
      assert.ok(!(await ctr("tasks", "ls")).stdout.includes(id));
      await ctr("containers", "rm", id);
    });

    it("leaves nothing behind", async () => {
      for (const id of ids) await remove(id);
      assert.deepEqual(readdirSync(join(daemon.state, "io.containerd.runtime.v2.task/default")), []);
      await until(() => processesNaming(daemon.dir).every(({ command }) => !command.startsWith(runtime)));
    });
  });
