// Newer containerds drive this shim, by path and by name; their own shim is asked the same first.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { until } from "../shim/harness.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { processesNaming } from "../support/leftovers.ts";
import { leftOut, type OldOrNew, type Outcome, programs, type Release, startRelease } from "./debian.ts";

const run = promisify(execFile);
const image = "docker.io/library/busybox:test";
let made = 0;
const newId = (): string => `c${process.pid}-${++made}`;

const releases: readonly [Release, string][] = [
  ["trixie", "1.7"],
  ["sid", "2.1"],
];
const runtimes = [
  ["its own shim", "io.containerd.runc.v2"],
  ["this shim by its path", `${programs}/containerd-shim-berth-v2`],
  ["this shim by its name", "io.containerd.berth.v2"],
] as const;

for (const [release, generation] of releases)
  describe(`containerd ${generation} of Debian ${release}`, { skip: leftOut }, () => {
    let daemon: OldOrNew;
    before(async () => {
      daemon = await startRelease(release);
      const archive = join(daemon.dir, "image.tar");
      writeBusyboxImage(archive, { format: "oci", name: image });
      const imported = await daemon.ctr("images", "import", archive);
      assert.equal(imported.code, 0, imported.stderr);
    });
    after(async () => {
      await daemon?.[Symbol.asyncDispose]();
    });

    it("is of that generation", () => assert.ok(daemon.version.startsWith(generation), daemon.version));

    for (const [name, runtime] of runtimes)
      describe(`with ${name}`, () => {
        const start = async (id: string, ...command: string[]) => {
          const ran = await daemon.ctr("run", "-d", "--runtime", runtime, image, id, ...command);
          assert.equal(ran.code, 0, ran.stderr);
        };
        const deleted = async (id: string): Promise<Outcome> => {
          let gone = await daemon.ctr("tasks", "delete", id);
          for (let tries = 0; tries < 100 && gone.stderr.includes("must be stopped"); tries++)
            gone = await daemon.ctr("tasks", "delete", id);
          await daemon.ctr("containers", "rm", id);
          return gone;
        };
        const bundleOf = (id: string) => join(daemon.state, "io.containerd.runtime.v2.task", daemon.namespace, id);

        it("runs a command, with its output and its exit code", async () => {
          const flags = ["--rm", "--runtime", runtime];
          const ran = await daemon.ctr("run", ...flags, image, newId(), "sh", "-c", "echo out; echo err >&2; exit 7");
          assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, "out\n", "err\n"]);
        });

        it("has a terminal", async () => {
          const [file = "", ...rest] = daemon.inside(
            "ctr",
            "--address",
            daemon.address,
            "--namespace",
            daemon.namespace,
          );
          const command = ["run", "--rm", "-t", "--runtime", runtime, image, newId()];
          const line = [file, ...rest, ...command, "sh", "-c", "'test -t 0 && test -t 1 && echo tty; exit 6'"].join(
            " ",
          );
          const ran: Outcome = await run("script", ["-qec", line, "/dev/null"]).then(
            ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
            (error: Outcome) => error,
          );
          assert.match(ran.stdout, /tty\r+\n/);
          assert.equal(ran.code, 6);
        });

        it("execs, lists, measures, pauses, resumes and kills", async () => {
          const id = newId();
          await start(id, "sleep", "1000");
          const exec = await daemon.ctr("tasks", "exec", "--exec-id", "e1", id, "sh", "-c", "echo in; exit 3");
          assert.deepEqual([exec.code, exec.stdout], [3, "in\n"]);
          assert.match((await daemon.ctr("tasks", "ps", id)).stdout, /PID\s+INFO\n\d+\s+-\n/);
          const metrics = await daemon.ctr("tasks", "metrics", id);
          assert.match(metrics.stdout, /memory.usage_in_bytes\s+[1-9]/, metrics.stderr);
          assert.equal((await daemon.ctr("tasks", "pause", id)).code, 0);
          assert.match((await daemon.ctr("tasks", "ls")).stdout, /PAUSED/);
          assert.equal((await daemon.ctr("tasks", "resume", id)).code, 0);
          assert.equal((await daemon.ctr("tasks", "kill", "-s", "9", id)).code, 0);
          assert.match((await deleted(id)).stderr, /exit with non-zero exit code 137/);
        });

        it("goes on when the daemon is killed, and is found again by the next one", async () => {
          const [lives, ends] = [newId(), newId()];
          await start(lives, "sleep", "1000");
          await start(ends, "sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done; exit 9");
          const reload = readdirSync(bundleOf(lives)).filter((file) => ["address", "bootstrap.json"].includes(file));
          assert.ok(reload.length > 0);
          if (generation === "2.1") {
            const { version, protocol } = JSON.parse(readFileSync(join(bundleOf(lives), "bootstrap.json"), "utf8"));
            assert.deepEqual([version, protocol], [runtime.includes("runc") ? 3 : 2, "ttrpc"]);
          }
          const pid = readFileSync(join(bundleOf(ends), "init.pid"), "utf8");
          await daemon.end();
          process.kill(Number(pid), 0);
          await run("touch", [`/proc/${pid}/root/go`]);
          await until(
            () => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")),
          );
          await daemon.start();
          assert.match((await daemon.ctr("tasks", "ls")).stdout, new RegExp(`${lives}\\s+\\d+\\s+RUNNING`));
          const exec = await daemon.ctr("tasks", "exec", "--exec-id", "e1", lives, "echo", "again");
          assert.equal(exec.code, 0, exec.stderr);
          // The output was lost once in a dozen runs of 1.7 with its own shim, on a busy machine; not with this one.
          if (runtime !== "io.containerd.runc.v2") assert.equal(exec.stdout, "again\n");
          // These generations take a shim without processes for a leak, and end it: what ended while they were
          // away is gone. It must be wholly gone.
          await until(() => !existsSync(bundleOf(ends)));
          assert.match((await deleted(ends)).stderr, /not found/);
          await daemon.ctr("tasks", "kill", "-s", "9", lives);
          assert.match((await deleted(lives)).stderr, /exit with non-zero exit code 137/);
        });

        it("is cleaned up after when the shim is killed", async () => {
          const id = newId();
          await start(id, "sleep", "1000");
          const [shim] = processesNaming(daemon.dir).filter(
            ({ command }) => command.includes("containerd-shim") && command.includes(` ${id} `),
          );
          process.kill(shim?.pid ?? 0, "SIGKILL");
          await until(() => !existsSync(bundleOf(id)));
          assert.ok(!(await daemon.ctr("tasks", "ls")).stdout.includes(id));
          await daemon.ctr("containers", "rm", id);
        });

        it("leaves nothing behind", async () => {
          const tasks = join(daemon.state, "io.containerd.runtime.v2.task", daemon.namespace);
          assert.deepEqual(readdirSync(tasks), []);
          await until(() => processesNaming(daemon.dir).every(({ command }) => !command.includes("containerd-shim")));
        });
      });
  });
