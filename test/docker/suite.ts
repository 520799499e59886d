// What people do with docker, as one list for every daemon and shim underneath. It passes with Debian's
// containerd and the Go shim first: what they fail is a wrong test.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { OnTerminal } from "../client/terminal.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { mountsBelow, processesNaming } from "../support/leftovers.ts";
import { ask } from "../support/registry/ask.ts";
import { hasRegistry, startRegistry } from "../support/registry/docker-registry.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { upload } from "../support/registry/upload.ts";
import { cgroupsAt } from "./cgroups.ts";
import type { DockerCli } from "./cli.ts";

/** A docker on something. */
export interface DockerUnderTest extends AsyncDisposable {
  readonly docker: DockerCli;
  readonly dir: string;
  readonly cgroupParent: string;
  /** Of the shims' bundles: a part of every shim's command line or working directory. */
  readonly shims: string;
  /** Of dockerd. */
  log(): string;
  /** Kills dockerd and the containerd below it with SIGKILL. */
  killDaemons(): Promise<void>;
  restartDaemons(): Promise<void>;
}

const registryIsMissing = hasRegistry() ? false : "needs docker-registry";
const image = "busybox:docker-test";
const long = Boolean(process.env.BERTH_LONG);
const codes = long ? Array.from({ length: 256 }, (_, code) => code) : [0, 1, 7, 125, 126, 127, 128, 137, 254, 255];

/** Lines of 1 KiB, each with its number. */
const bigScript = (lines: number) => `awk 'BEGIN { for (i = 0; i < ${lines}; i++) printf "%01023d\\n", i }'`;

/** `brief` is for a daemon that is started in another way than one that has had the whole list. */
export function dockerSuite(name: string, start: () => Promise<DockerUnderTest>, { brief = false } = {}): void {
  describe(`docker on ${name}`, () => {
    /** What a brief list leaves out. */
    const atLength = brief ? () => {} : it;
    let subject: DockerUnderTest;
    let docker: DockerCli;
    before(async () => {
      subject = await start();
      docker = subject.docker;
      const scratch = mkdtempSync("/tmp/berth-docker-image-");
      try {
        writeBusyboxImage(join(scratch, "busybox.tar"), { format: "docker", name: image });
        await docker.ok("load", "--input", join(scratch, "busybox.tar"));
      } finally {
        rmSync(scratch, { recursive: true });
      }
    });
    after(() => subject?.[Symbol.asyncDispose]());
    afterEach(async () => {
      const left = await docker.ok("ps", "--all", "--quiet").catch((cause) => {
        throw new Error(`dockerd does not answer: ${subject.log().slice(-4000)}`, { cause });
      });
      if (left !== "") await docker.ok("rm", "--force", "--volumes", ...left.split("\n"));
    });

    const run = (...args: string[]) => docker("run", "--network=none", ...args);
    /** The id. */
    const detached = (name: string, ...args: string[]) =>
      docker.ok("run", "--detach", "--network=none", "--name", name, ...args);
    const inspect = (name: string, format: string) => docker.ok("inspect", "--format", `{{${format}}}`, name);
    /** Has the shell on a terminal wait for a size of rows and columns, and then say `word`. */
    const awaitSize = (term: OnTerminal, size: string, word: string): void => {
      const typed = `${word.slice(0, 1)}''${word.slice(1)}`; // so that its echo is not taken for the answer
      term.type(`until [ "$(stty size 2>/dev/null)" = '${size}' ]; do usleep 10000; done; echo ${typed}\r`);
    };
    const remove = (...names: string[]) => docker.ok("rm", "--force", ...names);
    const sleeper = ["--init", image, "sleep", "1000"];
    /** The value of a container's cgroup file, by its name in version 1 (with the controller) or 2. */
    const cgroupFile = (id: string, v1: string, v2: string): string => {
      const [controller = "", file = ""] = v1.split("/");
      const old = join("/sys/fs/cgroup", controller, subject.cgroupParent, id, file);
      return readFileSync(existsSync(old) ? old : join("/sys/fs/cgroup", subject.cgroupParent, id, v2), "utf8").trim();
    };
    /** Runs `act` and waits for the next event of this name of this container. */
    const eventOf = async <T>(container: string, event: string, act: () => Promise<T>): Promise<T> => {
      const filters = ["--filter", `container=${container}`, "--filter", "type=container"];
      // Events since now, so that none is lost between the look and the listening.
      const since = (Date.now() / 1000).toFixed(3);
      const events = docker.start("events", "--since", since, ...filters, "--format", "<{{.Action}}>");
      const result = await act();
      await events.said(`<${event}>`);
      events.child.kill();
      await events.ended;
      return result;
    };

    it("run prints what the container prints, on the stream that it prints it to", async () => {
      const result = await run("--rm", image, "sh", "-c", "echo out; echo err >&2");
      assert.deepEqual(result, { code: 0, stdout: "out\n", stderr: "err\n" });
    });

    atLength("run -i gives the container its stdin and its end", async () => {
      const session = docker.start("run", "--rm", "-i", "--network=none", image, "sh", "-c", "cat; echo end");
      session.child.stdin.write("one\n");
      await session.said("one");
      session.child.stdin.end("two\n");
      assert.deepEqual(await session.ended, { code: 0, stdout: "one\ntwo\nend\n", stderr: "" });
    });

    it("run -it is a terminal with a size that follows, and the container's exit code", async () => {
      const term = docker.terminal("run", "--rm", "-it", "--network=none", image, "sh");
      await term.expect("/ #");
      term.type("tty\r");
      await term.expect("/dev/pts/0");
      // docker tells the size once the container runs, and only then begins to watch it: what changes in between goes
      // unnoticed, so it is told until it follows. From then on each change counts.
      awaitSize(term, "24 80", "sized");
      await term.expect("sized");
      term.pty.resize(90, 40);
      const telling = setInterval(() => term.pty.kill("SIGWINCH"), 20);
      awaitSize(term, "40 90", "watched");
      await term.expect("watched").finally(() => clearInterval(telling));
      term.pty.resize(101, 33);
      awaitSize(term, "33 101", "changed");
      await term.expect("changed");
      term.type("sh -c 'echo slee''ping; exec sleep 1000'\r");
      await term.expect("sleeping");
      term.type("\x03");
      await term.expect("/ #");
      term.type("exit 7\r");
      assert.equal((await term.exited).exitCode, 7);
    });

    atLength("the detach keys leave a container running, and attach comes back to it", async () => {
      const term = docker.terminal("run", "-it", "--name", "keys", "--network=none", image, "sh");
      await term.expect("/ #");
      term.type("\x10\x11");
      await term.exited;
      assert.equal(await inspect("keys", ".State.Status"), "running");
      const again = docker.terminal("attach", "keys");
      // Whoever attaches sees what is printed from now on: a first newline brings the prompt.
      again.type("\r");
      await again.expect("/ #");
      again.type("exit 3\r");
      assert.equal((await again.exited).exitCode, 3);
    });

    it("exec: output, exit code, stdin, environment, directory and user", async () => {
      await detached("execs", ...sleeper);
      const flags = ["-e", "A=b", "-w", "/tmp", "-u", "1000"];
      const result = await docker("exec", ...flags, "execs", "sh", "-c", "echo $A $PWD $(id -u); echo err >&2; exit 9");
      assert.deepEqual(result, { code: 9, stdout: "b /tmp 1000\n", stderr: "err\n" });
      const session = docker.start("exec", "-i", "execs", "cat");
      session.child.stdin.end("to and fro");
      assert.deepEqual(await session.ended, { code: 0, stdout: "to and fro", stderr: "" });
      assert.equal((await docker("exec", "execs", "sh", "-c", "kill -9 $$")).code, 137);
      await docker.ok("exec", "-d", "execs", "touch", "/tmp/by-detached-exec");
      await docker.ok("exec", "execs", "sh", "-c", "until [ -e /tmp/by-detached-exec ]; do usleep 10000; done");
      const missing = await docker("exec", "execs", "no-such-command");
      assert.equal(missing.code, 126);
      assert.match(
        missing.stdout + missing.stderr,
        /OCI runtime exec failed: .*"no-such-command": executable file not/,
      );
      const codesSeen = await Promise.all(
        codes.map(async (code) => (await docker("exec", "execs", "sh", "-c", `exit ${code}`)).code),
      );
      assert.deepEqual(codesSeen, codes);
    });

    atLength("exec -it is a terminal", async () => {
      await detached("exec-it", ...sleeper);
      const term = docker.terminal("exec", "-it", "exec-it", "sh");
      await term.expect("# ");
      term.type("tty\r");
      await term.expect("/dev/pts/");
      awaitSize(term, "24 80", "sized");
      await term.expect("sized");
      term.type("exit 5\r");
      assert.equal((await term.exited).exitCode, 5);
      assert.equal(await inspect("exec-it", ".State.Status"), "running");
    });

    for (const driver of ["json-file", "local"])
      it(`logs and logs -f with the log driver ${driver}`, async () => {
        const ending = "trap 'echo three; printf four >&2; exit' USR1";
        const script = `${ending}; echo one; echo two >&2; while :; do usleep 10000; done`;
        await detached("logs", "--log-driver", driver, image, "sh", "-c", script);
        const follower = docker.start("logs", "-f", "logs");
        await follower.said("one\n");
        await docker.ok("kill", "--signal=USR1", "logs");
        const followed = await follower.ended;
        assert.deepEqual([followed.code, followed.stdout], [0, "one\nthree\n"]);
        // dockerd 20.10 may end a follower before a last line that has no end.
        assert.match(followed.stderr, /^two\n(four)?$/);
        const after = await docker("logs", "logs");
        assert.deepEqual(after, { code: 0, stdout: "one\nthree\n", stderr: "two\nfour" });
        assert.equal((await docker("logs", "--tail", "1", "logs")).stderr, "four");
        assert.match((await docker("logs", "--timestamps", "logs")).stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z one\n/);
      });

    atLength("attach sees the output from then on and ends with the container's code", async () => {
      await detached(
        "attached",
        "-i",
        image,
        "sh",
        "-c",
        "while read -r line; do echo got $line; [ $line = last ] && exit 4; done",
      );
      const one = docker.start("attach", "attached");
      one.child.stdin.write("first\n");
      await one.said("got first");
      const two = docker.start("attach", "--no-stdin", "attached");
      // The second is there when it sees a line; how many it missed before does not matter.
      const asking = setInterval(() => one.child.stdin.write("more\n"), 20);
      await two.said("got more");
      clearInterval(asking);
      one.child.stdin.write("last\n");
      const [ended, other] = await Promise.all([one.ended, two.ended]);
      assert.equal(ended.code, 4);
      assert.equal(other.code, 4);
      assert.ok(ended.stdout.endsWith("got last\n") && other.stdout.endsWith("got last\n"));
    });

    atLength("signals to docker run reach the container", async () => {
      const script = "trap 'echo stopping; exit 8' TERM; echo ready; while :; do usleep 10000; done";
      const session = docker.start("run", "--rm", "--network=none", image, "sh", "-c", script);
      await session.said("ready");
      session.child.kill("SIGTERM");
      assert.deepEqual(await session.ended, { code: 8, stdout: "ready\nstopping\n", stderr: "" });
    });

    it("stop asks first and then kills; kill sends any signal", async () => {
      const trap = (signal: string, code: number) =>
        `trap 'exit ${code}' ${signal}; echo ready; while :; do usleep 10000; done`;
      const ready = async (name: string) => {
        const follower = docker.start("logs", "-f", name);
        await follower.said("ready");
        return follower.ended;
      };
      await detached("polite", image, "sh", "-c", trap("TERM", 6));
      await detached("own-signal", "--stop-signal=USR1", image, "sh", "-c", trap("USR1", 5));
      await detached("deaf", image, "sh", "-c", "trap '' TERM; echo ready; while :; do usleep 10000; done");
      await detached("killed", image, "sh", "-c", trap("HUP", 4));
      const followers = ["polite", "own-signal", "deaf", "killed"].map(ready);
      // Each said "ready" before its end, or its follower fails.
      for (const name of ["polite", "own-signal", "deaf", "killed"])
        await docker.start("logs", "-f", name).said("ready");
      await docker.ok("stop", "--time=20", "polite", "own-signal");
      await docker.ok("stop", "--time=1", "deaf");
      await docker.ok("kill", "--signal=HUP", "killed");
      await Promise.all(followers);
      assert.equal(await docker.ok("wait", "polite", "own-signal", "deaf", "killed"), "6\n5\n137\n4");
      const again = await docker("kill", "killed");
      assert.match(again.stderr, /is not running/);
    });

    atLength("restart gives a new process and a new start", async () => {
      await detached("restarted", ...sleeper);
      const before = await inspect("restarted", ".State.Pid");
      await docker.ok("restart", "--time=10", "restarted");
      const [status, after] = (await inspect("restarted", ".State.Status}} {{.State.Pid")).split(" ");
      assert.equal(status, "running");
      assert.notEqual(after, before);
      assert.equal(await docker.ok("exec", "restarted", "echo", "there"), "there");
      await docker.ok("stop", "--time=10", "restarted");
      await docker.ok("start", "restarted");
      assert.equal(await inspect("restarted", ".State.Status"), "running");
    });

    atLength("pause holds a container still, and unpause lets it go on", async () => {
      const id = await detached("paused", image, "sh", "-c", "while :; do echo tick; usleep 10000; done");
      await docker.ok("pause", "paused");
      assert.equal(await inspect("paused", ".State.Status"), "paused");
      assert.equal(cgroupFile(id, "freezer/freezer.state", "cgroup.freeze").replace("1", "FROZEN"), "FROZEN");
      assert.match((await docker("exec", "paused", "true")).stderr, /is paused/);
      assert.match((await docker("pause", "paused")).stderr, /already paused/);
      await docker.ok("unpause", "paused");
      assert.equal(await inspect("paused", ".State.Status"), "running");
      assert.equal(await docker.ok("exec", "paused", "echo", "again"), "again");
      await docker.ok("pause", "paused");
      await docker.ok("stop", "--time=0", "paused");
      assert.equal(await inspect("paused", ".State.ExitCode"), "137");
      await remove("paused");
      await detached("paused", ...sleeper);
      await docker.ok("pause", "paused");
    });

    atLength("stats, top and update look at and change the running container", async () => {
      const id = await detached("looked-at", "--memory=64m", "--memory-swap=64m", ...sleeper);
      const format = "{{.Name}}|{{.MemUsage}}|{{.PIDs}}|{{.CPUPerc}}";
      const stats = await docker.ok("stats", "--no-stream", "--format", format, "looked-at");
      assert.match(stats, /^looked-at\|[\d.]+(KiB|MiB) \/ 64MiB\|2\|[\d.]+%$/);
      assert.doesNotMatch(stats, /\|0(KiB|MiB|B) /);
      assert.match(await docker.ok("top", "looked-at"), /docker-init -- sleep 1000\n.*sleep 1000$/);
      assert.match(
        await docker.ok("top", "looked-at", "-o", "pid,comm"),
        /^PID +COMMAND\n\d+ +docker-init\n\d+ +sleep$/,
      );
      const exec = docker.start("exec", "-i", "looked-at", "sh", "-c", "echo ready; cat");
      await exec.said("ready");
      assert.match(await docker.ok("top", "looked-at", "-o", "pid,comm"), /\bcat\b/);
      exec.child.stdin.end();
      await exec.ended;
      await docker.ok("update", "--memory=48m", "--memory-swap=48m", "--cpus=0.5", "--pids-limit=77", "looked-at");
      assert.equal(cgroupFile(id, "memory/memory.limit_in_bytes", "memory.max"), String(48 << 20));
      assert.equal(cgroupFile(id, "pids/pids.max", "pids.max"), "77");
      assert.equal(cgroupFile(id, "cpu/cpu.cfs_quota_us", "cpu.max").split(" ")[0], "50000");
    });

    atLength("a container that shares the host's processes sees them, and takes its own with it", async () => {
      const seconds = String(100_000 + process.pid);
      const script = `sleep ${seconds} & [ -d /proc/${process.pid} ] && echo sees the host`;
      const result = await run("--rm", "--pid=host", image, "sh", "-c", script);
      assert.deepEqual(result, { code: 0, stdout: "sees the host\n", stderr: "" });
      assert.deepEqual(processesNaming(`sleep ${seconds}`), []);
    });

    atLength("--init is process 1 and buries orphans", async () => {
      const script = "cat /proc/1/comm; (true & exec true) ; sh -c 'sleep 0.01 & '; sleep 0.1; ps -o stat,comm";
      const { stdout } = await run("--rm", "--init", image, "sh", "-c", script);
      assert.match(stdout, /^docker-init\n/);
      assert.doesNotMatch(stdout, /^Z/m);
    });

    atLength("restart policies: on-failure so many times, always until it is stopped", async () => {
      await eventOf("failing", "die", () => detached("failing", "--restart=on-failure:2", image, "sh", "-c", "exit 3"));
      assert.equal(await docker.ok("wait", "failing"), "3");
      const state = () => inspect("failing", ".State.Status}} {{.RestartCount}} {{.State.ExitCode");
      for (let tries = 0; tries < 200 && !(await state()).startsWith("exited"); tries++);
      assert.equal(await state(), "exited 2 3");
      await detached("always", "--restart=always", ...sleeper);
      const pid = Number(await inspect("always", ".State.Pid"));
      await eventOf("always", "start", async () => process.kill(pid, "SIGKILL"));
      assert.notEqual(Number(await inspect("always", ".State.Pid")), pid);
      assert.equal(await inspect("always", ".State.Status}} {{.RestartCount"), "running 1");
      await docker.ok("stop", "--time=0", "always");
      assert.equal(await inspect("always", ".State.Status"), "exited");
    });

    atLength("exit codes are the container's, and 125, 126 and 127 mean that there was none", async () => {
      const seen = new Map<number, number | null>();
      const left = [...codes];
      const worker = async () => {
        for (let code = left.shift(); code !== undefined; code = left.shift())
          seen.set(code, (await run("--rm", image, "sh", "-c", `exit ${code}`)).code);
      };
      await Promise.all([worker(), worker(), worker()]);
      for (const code of codes) assert.equal(seen.get(code), code);
      assert.equal((await run("--rm", "--no-such-flag", image)).code, 125);
      const directory = await run("--rm", image, "/etc");
      assert.equal(directory.code, 126);
      assert.match(directory.stderr, /OCI runtime create failed: .*"\/etc": (permission denied|is a directory)/);
      const missing = await run("--rm", image, "no-such-command");
      assert.equal(missing.code, 127);
      assert.match(
        missing.stderr,
        // docker 20.10 may add that its own wait was canceled.
        /failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "no-such-command": executable file not found in \$PATH: unknown\.\n/,
      );
      assert.equal((await run("--rm", "--init", image, "sh", "-c", "kill -9 $$")).code, 137);
    });

    atLength("wait ends with the container, for each that waits", async () => {
      await detached("awaited", "-i", image, "sh", "-c", "read line; exit 12");
      const waits = [docker("wait", "awaited"), docker("wait", "awaited")];
      const session = docker.start("attach", "awaited");
      session.child.stdin.end("go\n");
      assert.deepEqual(await Promise.all(waits), Array(2).fill({ code: 0, stdout: "12\n", stderr: "" }));
      await session.ended;
    });

    it("a container over its memory is killed, and inspect says so", async () => {
      const limits = ["--memory=16m", "--memory-swap=16m"];
      // The Go shim watches a container's memory once it has been started, and may tell of a kill after an exit, which
      // dockerd takes for none: so nothing is taken before the one, and the first process ends after the other.
      const script =
        "read go; dd if=/dev/zero of=/dev/null bs=256M count=1; code=$?; trap 'exit $code' TERM; echo ready; while :; do sleep 0.05; done";
      const session = await eventOf("hog", "start", async () =>
        docker.start("run", "-i", "--network=none", "--name", "hog", ...limits, image, "sh", "-c", script),
      );
      await eventOf("hog", "oom", async () => {
        session.child.stdin.write("go\n");
        await session.said("ready");
      });
      await docker.ok("kill", "--signal=TERM", "hog");
      assert.equal((await session.ended).code, 137);
      assert.equal(await inspect("hog", ".State.OOMKilled}} {{.State.ExitCode}} {{.State.Status"), "true 137 exited");
    });

    atLength("rm -f leaves no shim, mount or cgroup", async () => {
      const id = await detached("gone", ...sleeper);
      const shims = () => processesNaming(id).filter(({ command }) => command.includes("shim"));
      const cgroup = () =>
        ["memory", ""].map((at) => join("/sys/fs/cgroup", at, subject.cgroupParent, id)).some(existsSync);
      assert.equal(shims().length, 1);
      assert.ok(cgroup());
      await remove("gone");
      assert.deepEqual(shims(), []);
      assert.equal(cgroup(), false);
      assert.deepEqual(
        mountsBelow(subject.dir).filter((point) => point.includes(id) || point.endsWith("/merged")),
        [],
      );
    });

    atLength("--rm removes a detached container at its end", async () => {
      await eventOf("passing", "destroy", () => detached("passing", "--rm", image, "true"));
      assert.equal(await docker.ok("ps", "--all", "--quiet", "--filter", "name=passing"), "");
    });

    atLength("a health check's commands decide its state", async () => {
      const check = ["--health-cmd=test -e /tmp/well", "--health-interval=100ms", "--health-retries=1"];
      await detached("checked", ...check, ...sleeper);
      await eventOf("checked", "health_status: healthy", () => docker.ok("exec", "checked", "touch", "/tmp/well"));
      assert.equal(await inspect("checked", ".State.Health.Status"), "healthy");
    });

    atLength("many at once do not mix", async () => {
      const numbers = Array.from({ length: 8 }, (_, number) => number);
      const results = await Promise.all(numbers.map((n) => run("--rm", image, "sh", "-c", `echo ${n}; exit ${n}`)));
      assert.deepEqual(
        results,
        numbers.map((n) => ({ code: n, stdout: `${n}\n`, stderr: "" })),
      );
    });

    atLength("64 MiB of output arrive whole, attached and from the log", async () => {
      const lines = 32 << 10;
      const expected = createHash("sha256");
      for (let line = 0; line < lines; line++) expected.update(`${String(line).padStart(1023, "0")}\n`);
      const digest = expected.digest("hex");
      const script = `${bigScript(lines)}; ${bigScript(lines)} >&2; exit 2`;
      const attached = await docker.digests("run", "--network=none", "--name", "big", image, "sh", "-c", script);
      assert.deepEqual(attached, { code: 2, stdout: digest, stderr: digest });
      assert.deepEqual(await docker.digests("logs", "big"), { code: 0, stdout: digest, stderr: digest });
    });

    atLength("16 MiB of stdin arrive whole", async () => {
      const bytes = Buffer.alloc(16 << 20, "0123456789abcde\n");
      const session = docker.start("run", "--rm", "-i", "--network=none", image, "sha256sum");
      session.child.stdin.end(bytes);
      const digest = createHash("sha256").update(bytes).digest("hex");
      assert.deepEqual(await session.ended, { code: 0, stdout: `${digest}  -\n`, stderr: "" });
    });

    atLength("a container in another one's process namespace ends alone", async () => {
      await detached("host-of-two", ...sleeper);
      await detached("guest", "--pid=container:host-of-two", image, "sleep", "2000");
      assert.match(await docker.ok("exec", "guest", "ps", "-o", "args"), /sleep 1000\n.*sleep 2000/s);
      await docker.ok("kill", "guest");
      assert.equal(await docker.ok("wait", "guest"), "137");
      assert.equal(await docker.ok("exec", "host-of-two", "echo", "alive"), "alive");
    });

    atLength("a shim that is killed takes its container with it, which can be started again", async () => {
      const id = await detached("orphan", ...sleeper);
      const [shim] = processesNaming(id).filter(({ command }) => command.includes("shim"));
      assert.ok(shim !== undefined);
      process.kill(shim.pid, "SIGKILL");
      assert.equal(await docker.ok("wait", "orphan"), "137");
      assert.deepEqual(cgroupsAt(`${subject.cgroupParent}/${id}`), []);
      await docker.ok("start", "orphan");
      assert.equal(await docker.ok("exec", "orphan", "echo", "again"), "again");
    });

    it("pulls an image from a registry, runs it and pushes it back", { skip: registryIsMissing }, async () => {
      await using registry = await startRegistry();
      const scratch = mkdtempSync("/tmp/berth-docker-image-");
      const [from, to] = [`${registry.address}/pulled:1`, `${registry.address}/pushed:1`];
      try {
        const layout = makeLayout(scratch, imageOf({ busybox: true, layers: [{ size: 100_000 }], types: "docker" }));
        await upload(layout, registry, "pulled", "1");
        await docker.ok("pull", "--quiet", from);
        assert.equal(await docker.ok("run", "--rm", "--network=none", from, "echo", "pulled"), "pulled");
        await docker.ok("tag", from, to);
        await docker.ok("push", "--quiet", to);
        const headers = { accept: layout.top.mediaType };
        const { status, body } = await ask(`${registry.url}/v2/pushed/manifests/1`, { headers });
        const { layers } = JSON.parse(body.toString());
        assert.deepEqual([status, layers.length], [200, 2]);
      } finally {
        await docker.ok("rmi", "--force", from, to);
        rmSync(scratch, { recursive: true });
      }
    });

    it("containers outlive dockerd and containerd, and nothing that they did meanwhile is lost", async () => {
      const counter = "i=0; while :; do echo line $i; i=$((i+1)); usleep 50000; done";
      await detached("survivor", image, "sh", "-c", counter);
      await detached(
        "ends-meanwhile",
        image,
        "sh",
        "-c",
        "trap 'exit 7' USR1; echo ready; while :; do usleep 10000; done",
      );
      await detached("stays-down", "-i", ...sleeper);
      await docker.start("logs", "-f", "ends-meanwhile").said("ready");
      await docker.start("logs", "-f", "survivor").said("line 3\n");
      const pidOf = async (name: string) => Number(await inspect(name, ".State.Pid"));
      const survivor = await pidOf("survivor");
      const ending = await pidOf("ends-meanwhile");
      await subject.killDaemons();
      process.kill(ending, "SIGUSR1");
      while (existsSync(`/proc/${ending}`)) await new Promise((done) => setImmediate(done));
      await subject.restartDaemons();

      assert.equal(await pidOf("survivor"), survivor);
      assert.equal(await docker.ok("exec", "survivor", "echo", "hello again"), "hello again");
      assert.equal(await inspect("ends-meanwhile", ".State.Status}} {{.State.ExitCode"), "exited 7");
      const lastBefore = (await docker("logs", "survivor")).stdout.trim().split(" ").at(-1) ?? "0";
      const follower = docker.start("logs", "-f", "survivor");
      await follower.said(`line ${Number(lastBefore) + 5}\n`);
      await docker.ok("kill", "survivor");
      const lines = (await follower.ended).stdout.trim().split("\n");
      assert.deepEqual(
        lines,
        lines.map((_, at) => `line ${at}`),
      );
      assert.equal(await docker.ok("wait", "survivor"), "137");
      await docker.ok("stop", "--time=10", "stays-down");
    });

    it("leaves no shim and no mount of a container", () => {
      assert.deepEqual(
        processesNaming(subject.shims).filter(({ command }) => command.includes("shim")),
        [],
      );
      assert.deepEqual(
        mountsBelow(subject.dir).filter((point) => point.endsWith("/merged")),
        [],
      );
    });
  });
}
