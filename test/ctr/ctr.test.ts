// Debian's ctr does the same things to containerd itself and to berthd, with berth's shim and with the Go
// shim, and must see the same. What containerd fails is a wrong test.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import pty from "@lydell/node-pty";
import { goShim, startBerthd } from "../support/berthd.ts";
import { startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { bundlesBelow, cgroupsOf } from "../support/leftovers.ts";
import { until } from "../support/until.ts";

interface Subject extends AsyncDisposable {
  readonly address: string;
  readonly state: string;
}

const image = "docker.io/library/busybox:ctr-test";

const subjects: [name: string, start: () => Promise<Subject>][] = [
  ["containerd", () => startContainerd()],
  ["berthd", () => startBerthd()],
  ["berthd with the Go shim", () => startBerthd({ shim: goShim })],
];

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let dir: string;
let archive: string;
before(async () => {
  dir = mkdtempSync("/tmp/berth-ctr-");
  archive = join(dir, "busybox.tar");
  await writeBusyboxImage(archive, { format: "oci", name: image, config: { Env: ["FROM_IMAGE=yes", "PATH=/bin"] } });
});
after(() => rmSync(dir, { recursive: true, force: true }));

for (const [index, [name, start]] of subjects.entries())
  describe(`ctr against ${name}`, () => {
    // The runtime's state and the cgroups are found by it, so it is nobody else's.
    const namespace = `ctr-test-${process.pid}-${index}`;
    let subject: Subject;
    before(async () => {
      subject = await start();
    });
    after(async () => {
      await subject?.[Symbol.asyncDispose]();
      removeNamespace(namespace);
    });

    const argv = (args: readonly string[]) => ["--address", subject.address, "--namespace", namespace, ...args];
    const launch = (args: readonly string[]): ChildProcess =>
      spawn("/usr/bin/ctr", argv(args), { stdio: ["pipe", "pipe", "pipe"] });
    const ended = (child: ChildProcess): Promise<Outcome> =>
      new Promise((resolve, reject) => {
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
        child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
        const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
        child.on("error", reject);
        child.on("close", (status) => {
          clearTimeout(timer);
          resolve({ status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
        });
      });
    /** Resolves when a stream has brought a text. */
    const hears = (stream: Readable | null, text: string): Promise<void> =>
      new Promise((resolve) => {
        let heard = "";
        stream?.on("data", (chunk: Buffer) => {
          heard += chunk;
          if (heard.includes(text)) resolve();
        });
      });
    const ctr = (...args: string[]): Promise<Outcome> => {
      const child = launch(args);
      child.stdin?.end();
      return ended(child);
    };
    const ok = async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await ctr(...args);
      assert.equal(status, 0, `ctr ${args.join(" ")}: ${stderr}`);
      return stdout;
    };

    it("version names client and server", async () => {
      assert.match(await ok("version"), /Client:.*Server:\s+Version: +\S+.*UUID: +[0-9a-f-]{36}/s);
    });

    it("plugins of the kinds that clients look for are there", async () => {
      const plugins = await ok("plugins", "ls");
      for (const row of ["snapshotter.v1 +overlayfs", "differ.v1 +walking", "runtime.v2 +task", "content.v1 +content"])
        assert.match(plugins, new RegExp(`io.containerd.${row}`));
    });

    it("a namespace is made, labelled, listed and removed", async () => {
      await ok("namespaces", "create", "ns-a", "color=blue");
      await ok("namespaces", "label", "ns-a", "color=red");
      assert.match(await ok("namespaces", "ls"), /ns-a +color=red/);
      assert.notEqual((await ctr("namespaces", "create", "ns-a")).status, 0);
      await ok("namespaces", "rm", "ns-a");
      assert.doesNotMatch(await ok("namespaces", "ls"), /ns-a/);
      assert.notEqual((await ctr("namespaces", "create", "bad/name")).status, 0);
    });

    it("an archive is imported, and its blobs and snapshots are listed", async () => {
      assert.match(await ok("images", "import", archive), /unpacking .*ctr-test/);
      assert.match(await ok("images", "ls"), new RegExp(`^${image} +application/vnd.oci.image.manifest.* linux/`, "m"));
      assert.equal((await ok("images", "ls", "-q")).trim(), image);
      assert.match(await ok("images", "check"), /complete \(2\/2\).* true/);
      assert.ok((await ok("content", "ls", "-q")).trim().split("\n").length >= 3);
      assert.match(await ok("snapshots", "ls"), /sha256:[0-9a-f]{64} +Committed/);
    });

    it("a foreground run passes output, environment and exit status through", async () => {
      // It ends once all has arrived: on a busy machine ctr loses the last line with containerd and its own shim.
      const script = "echo out; echo err >&2; echo $FROM_IMAGE; read line; exit 7";
      const child = launch(["run", "--rm", image, "fg", "sh", "-c", script]);
      const outcome = ended(child);
      const arrived = Promise.all([hears(child.stdout, "yes\n"), hears(child.stderr, "err\n")]);
      await Promise.race([arrived, outcome]);
      child.stdin?.end("go\n");
      assert.deepEqual(await outcome, { status: 7, stdout: "out\nyes\n", stderr: "err\n" });
      assert.deepEqual([await ok("containers", "ls", "-q"), await ok("tasks", "ls", "-q")], ["", ""]);
      assert.equal((await ok("snapshots", "ls")).match(/Active/), null);
    });

    // Not its end: Debian's ctr does not pass that on.
    it("standard input reaches the container", async () => {
      const child = launch(["run", "--rm", image, "in", "sh", "-c", "read line; echo $line; echo done"]);
      child.stdin?.end("typed\n");
      assert.deepEqual(await ended(child), { status: 0, stdout: "typed\ndone\n", stderr: "" });
    });

    it("a terminal is one, has a size and passes the exit status", async () => {
      const terminal = pty.spawn(
        "/usr/bin/ctr",
        argv([
          "run",
          "--rm",
          "-t",
          image,
          "tty",
          "sh",
          "-c",
          'test -t 0 || exit 1; until test -n "$(stty size 2>/dev/null)"; do sleep 0.1; done; stty size; read line; exit 5',
        ]),
        {
          cols: 91,
          rows: 33,
        },
      );
      let seen = "";
      terminal.onData((data) => {
        seen += data;
        // The answer to what was seen: ctr may drop output that comes as the container ends.
        if (seen.includes("33 91")) terminal.write("\r");
      });
      const timer = setTimeout(() => terminal.kill("SIGKILL"), 20_000);
      const { exitCode } = await new Promise<{ exitCode: number }>((resolve) => terminal.onExit(resolve));
      clearTimeout(timer);
      assert.equal(exitCode, 5, seen);
      assert.match(seen, /33 91/);
    });

    it("a detached container is listed, entered, paused, measured, killed and removed", async () => {
      await ok("run", "-d", "--label", "who=me", image, "bg", "sleep", "1000");
      assert.match(await ok("containers", "ls"), new RegExp(`^bg +${image} +io.containerd.runc.v2`, "m"));
      const info = JSON.parse(await ok("containers", "info", "bg")) as {
        ID: string;
        Labels: Record<string, string>;
        Spec: { ociVersion: string };
      };
      assert.deepEqual([info.ID, info.Labels.who], ["bg", "me"]);
      assert.ok(info.Spec.ociVersion);
      assert.match(await ok("tasks", "ls"), /^bg +\d+ +RUNNING/m);
      const pid = /^bg +(\d+)/m.exec(await ok("tasks", "ls"))?.[1];
      assert.match(await ok("tasks", "ps", "bg"), new RegExp(`^${pid}\\b`, "m"));

      const exec = await ctr("tasks", "exec", "--exec-id", "e1", "bg", "sh", "-c", "echo inside; exit 9");
      assert.deepEqual([exec.status, exec.stdout], [9, "inside\n"]);
      assert.notEqual((await ctr("tasks", "exec", "--exec-id", "e2", "bg", "no-such-command")).status, 0);

      await ok("tasks", "pause", "bg");
      assert.match(await ok("tasks", "ls"), /^bg +\d+ +PAUSED/m);
      await ok("tasks", "resume", "bg");
      assert.match(await ok("tasks", "metrics", "bg"), /memory\.|pids\./);

      assert.notEqual((await ctr("containers", "rm", "bg")).status, 0);
      await ok("tasks", "kill", "--signal", "SIGKILL", "bg");
      await until(async () => /^bg +\d+ +STOPPED/m.test(await ok("tasks", "ls")), "the end of bg");
      const removed = await ctr("tasks", "rm", "bg");
      assert.match(removed.stderr, /exit with non-zero exit code 137/);
      await ok("containers", "rm", "bg");
      assert.equal(await ok("containers", "ls", "-q"), "");
    });

    it("what is not there is not found, and what is there is not made again", async () => {
      const cases: [string[], RegExp][] = [
        [["containers", "info", "nobody"], /not found/],
        [["tasks", "kill", "nobody"], /not found/],
        [["run", "--rm", "docker.io/library/absent:1", "x", "true"], /not found/],
        [["snapshots", "info", "nobody"], /not found/],
        [["snapshots", "--snapshotter", "nobody", "ls"], /not loaded|not found/],
        [["run", "--rm", image, "bad/id", "true"], /invalid|must match/],
        [["run", "--rm", "--runtime", "io.containerd.none.v9", image, "x1", "true"], /./],
      ];
      for (const [args, words] of cases) {
        const { status, stderr } = await ctr(...args);
        assert.notEqual(status, 0, args.join(" "));
        assert.match(stderr, words, args.join(" "));
      }
      await ok("run", "-d", image, "twice", "sleep", "1000");
      assert.match((await ctr("run", "-d", image, "twice", "sleep", "1000")).stderr, /already exists/);
      await ok("tasks", "rm", "-f", "twice");
      await ok("containers", "rm", "twice");
      await ctr("containers", "rm", "x1");
      assert.equal(await ok("containers", "ls", "-q"), "");
    });

    it("a command that is not in the image fails and leaves nothing", async () => {
      const { status, stderr } = await ctr("run", "--rm", image, "nocmd", "no-such-command");
      assert.notEqual(status, 0);
      assert.match(stderr, /no-such-command/);
      assert.deepEqual([await ok("containers", "ls", "-q"), await ok("tasks", "ls", "-q")], ["", ""]);
      assert.deepEqual(bundlesBelow(subject.state), []);
    });

    it("events come in the order that clients rely on", async () => {
      const watching = launch(["events"]);
      let seen = "";
      watching.stdout?.on("data", (chunk: Buffer) => {
        seen += chunk.toString();
      });
      // ctr does not say when it has subscribed: containers are run until one is seen.
      await until(async () => {
        await ok("run", "--rm", image, "probe", "true");
        return seen.includes("/tasks/start");
      }, "a first event");
      await ok("run", "--rm", image, "watched", "true");
      await until(async () => /containers\/delete.*"watched"/.test(seen), "the last event");
      watching.kill("SIGTERM");
      const topics = seen
        .split("\n")
        .filter((line) => /"(container_)?id":"watched"/.test(line))
        .map((line) => line.split(" ").find((word) => word.startsWith("/")));
      assert.deepEqual(topics, [
        "/containers/create",
        "/tasks/create",
        "/tasks/start",
        "/tasks/exit",
        "/tasks/delete",
        "/containers/delete",
      ]);
    });

    it("removing the image with --sync takes its blobs and snapshots along", async () => {
      await ok("images", "rm", "--sync", image);
      for (const list of [
        ["images", "ls", "-q"],
        ["content", "ls", "-q"],
      ])
        assert.equal(await ok(...list), "");
      assert.doesNotMatch(await ok("snapshots", "ls"), /sha256/);
      assert.deepEqual(bundlesBelow(subject.state), []);
      assert.deepEqual(cgroupsOf(namespace), []);
    });
  });

/** The directories of a namespace that runtimes leave behind, empty, whoever drives them. */
function removeNamespace(namespace: string): void {
  const hierarchies = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name, namespace));
  for (const path of ["/run/containerd/runc", "/sys/fs/cgroup"].map((top) => join(top, namespace)).concat(hierarchies))
    if (existsSync(path)) rmdirSync(path);
}
