// The real client, supervisor, shim and runtime.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { mountsBelow, processesNaming } from "../support/leftovers.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { until } from "../support/until.ts";
import { type Berth, berthAt, shellAt, testNamespace } from "./berth.ts";
import { berthOnTerminal, onTerminal } from "./terminal.ts";

const MiB = 1024 * 1024;
let berthd: Supervisor;
let berth: Berth;
let folder: string;

before(async () => {
  folder = mkdtempSync("/tmp/berth-client-test.");
  berthd = await startBerthd();
  berth = await berthAt(berthd.address);
  const archive = join(folder, "busybox.tar");
  writeBusyboxImage(archive, { format: "oci", name: "docker.io/library/busybox:latest" });
  const imported = await berth("image", "import", archive);
  assert.deepEqual(imported, { code: 0, stdout: "docker.io/library/busybox:latest\n", stderr: "" });
});

after(async () => {
  await berthd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// What a failed test leaves must not fail the next one.
afterEach(async () => {
  const { stdout } = await berth("ps", "-aq");
  if (stdout !== "") await berth("rm", "-f", ...stdout.trim().split("\n"));
});

/** No container, FIFO, shim or root file system of a container. */
async function nothingLeft(): Promise<void> {
  assert.equal((await berth("ps", "-aq")).stdout, "");
  const fifos = join(berthd.dir, "fifo");
  assert.deepEqual(existsSync(fifos) ? readdirSync(fifos) : [], []);
  assert.deepEqual(mountsBelow(berthd.dir), []);
  // A shim answers before it ends.
  await until(
    () => shims().length === 0,
    () => `no shim is left: ${JSON.stringify(shims())}`,
  );
}
const shims = () => processesNaming(berthd.dir).filter(({ command }) => command.includes("containerd-shim"));

describe("berth run", () => {
  it("passes on output, stdin and the exit code, and leaves nothing", async () => {
    assert.deepEqual(await berth("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3"), {
      code: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
    const { child, ended } = berth.start("run", "--rm", "-i", "busybox", "wc", "-c");
    child.stdin?.end("x".repeat(3 * MiB));
    assert.deepEqual(await ended, { code: 0, stdout: `${3 * MiB}\n`, stderr: "" });
    await nothingLeft();
  });

  it("all of 64 MiB of output arrives", async () => {
    const { code, stdout } = await berth("run", "--rm", "busybox", "head", "-c", String(64 * MiB), "/dev/zero");
    assert.deepEqual([code, stdout.length], [0, 64 * MiB]);
  });

  it("a death by signal is 128 and its number", async () => {
    assert.equal((await berth("run", "--rm", "busybox", "sh", "-c", "kill -KILL $$ & sleep 5; wait")).code, 0);
    const { child, ended, said } = berth.start(
      ..."run --rm busybox sh -c".split(" "),
      'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done',
    );
    await said("ready");
    child.kill("SIGTERM");
    assert.equal((await ended).code, 9);
    await nothingLeft();
  });

  it("the third interrupt kills a container that ignores them, and it is removed", async () => {
    // The shell is process 1, and has no handler: that is enough.
    const { child, ended, said, complained } = berth.start(
      ..."run --rm busybox sh -c".split(" "),
      "echo ready; sleep 60",
    );
    await said("ready");
    child.kill("SIGINT");
    await complained("the process goes on: the first process of a container ignores signals that it does not handle");
    child.kill("SIGINT");
    await complained("one more interrupt kills it");
    child.kill("SIGINT");
    assert.equal((await ended).code, 137);
    await nothingLeft();
  });

  for (const [command, code] of [
    ["nope", 127],
    ["/nope/nope", 127],
    ["/etc/passwd", 126],
    ["/etc", 126],
  ] as const)
    it(`ends with ${code} for ${command}, and leaves nothing`, async () => {
      const ended = await berth("run", "--rm", "busybox", command);
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, /^berth: [^\n]*\n$/);
      assert.ok(ended.stderr.includes(command), ended.stderr);
      await nothingLeft();
    });

  it("an image that is not there is named", async () => {
    const { code, stderr } = await berth("run", "--rm", "nothere", "true");
    assert.equal(code, 125);
    assert.match(stderr, /^berth: [^\n]*nothere[^\n]*\n$/);
    await nothingLeft();
  });

  it("options reach the container", async () => {
    const inside = await berth(
      ..."run --rm -e A=1 -w /tmp --hostname host7 -u 7:8 --read-only".split(" "),
      ..."-v /tmp:/mine:ro --mount type=tmpfs,target=/scratch --memory 64m --cpus 0.5 --pids-limit 50".split(" "),
      ..."busybox sh -c".split(" "),
      "echo $A; pwd; hostname; id -u; id -g; touch /x 2>/dev/null || echo read-only; grep -c ' /mine ' /proc/mounts; grep -c ' /scratch tmpfs' /proc/mounts",
    );
    assert.deepEqual(inside, { code: 0, stdout: "1\n/tmp\nhost7\n7\n8\nread-only\n1\n1\n", stderr: "" });
  });
});

describe("a container in the background", () => {
  it("is listed, logged, executed in, stopped, started and removed", async () => {
    const script = "echo started; trap 'exit 4' TERM; while :; do sleep 0.05; done";
    assert.equal(
      (await berth("run", "-d", "--name", "web", "--label", "a=b", "busybox", "sh", "-c", script)).stdout,
      "web\n",
    );
    const [row] = (await berth("ps", "--json")).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      [row.id, row.status, row.exitStatus, row.command[0], row.labels.a],
      ["web", "running", null, "sh", "b"],
    );
    assert.match(
      (await berth("ps")).stdout,
      /^ID +IMAGE +COMMAND +CREATED +STATUS +PID\nweb +\S*busybox\S* +sh -c echo/,
    );
    assert.deepEqual(await berth("exec", "web", "sh", "-c", "echo in; exit 5"), {
      code: 5,
      stdout: "in\n",
      stderr: "",
    });
    assert.equal((await berth("exec", "web", "nope")).code, 127);
    const typed = berth.start("exec", "-i", "web", "cat");
    typed.child.stdin.end("typed");
    assert.equal((await typed.ended).stdout, "typed");
    const logs = berth.start("logs", "-f", "web");
    await logs.said("started\n");
    assert.equal((await berth("rm", "web")).code, 125);
    const waiting = berth("wait", "web");
    assert.deepEqual(await berth("stop", "web"), { code: 0, stdout: "web\n", stderr: "" });
    assert.equal((await waiting).stdout, "4\n");
    assert.equal((await logs.ended).code, 0);
    assert.match((await berth("ps", "-a")).stdout, /exited \(4\) (?:just now|\d+ seconds? ago)/);
    JSON.parse((await berth("inspect", "web")).stdout);
    assert.deepEqual(await berth("start", "web"), { code: 0, stdout: "web\n", stderr: "" });
    assert.deepEqual(await berth("kill", "web"), { code: 0, stdout: "web\n", stderr: "" });
    assert.equal((await berth("wait", "web")).stdout, "137\n");
    assert.deepEqual(await berth("rm", "web"), { code: 0, stdout: "web\n", stderr: "" });
    const twice = await berth("rm", "web");
    assert.deepEqual([twice.code, /"web"/.test(twice.stderr)], [125, true]);
    await nothingLeft();
  });

  it("that the kernel has ended for lack of memory is told so", async () => {
    const hungry = ["--memory", "16m", "busybox", "tail", "-c", "64m", "/dev/zero"];
    const front = await berth("run", "--rm", "--name", "front", ...hungry);
    assert.deepEqual(
      [front.code, front.stderr],
      [137, `berth: front was killed by the kernel for lack of memory: run --memory gives it more\n`],
    );
    await berth("run", "-d", "--name", "back", ...hungry);
    const waited = await berth("wait", "back");
    assert.deepEqual([waited.stdout, /^berth: back was killed by the kernel/.test(waited.stderr)], ["137\n", true]);
    assert.match((await berth("ps", "-a")).stdout, / exited \(137, out of memory\) /);
    assert.equal(JSON.parse((await berth("ps", "-a", "--json")).stdout).outOfMemory, true);
    await berth("rm", "back");
    await nothingLeft();
  });

  it("goes by itself with --rm, whoever is there when it ends", async () => {
    const gone = () => until(async () => (await berth("ps", "-aq")).stdout === "", "it is removed");
    assert.deepEqual(await berth("run", "-d", "--rm", "--name", "short", "busybox", "true"), {
      code: 0,
      stdout: "short\n",
      stderr: "",
    });
    await gone();
    await berth("run", "-d", "--rm", "--name", "stopped", "busybox", "sleep", "1000");
    assert.equal((await berth("stop", "-t", "0", "stopped")).code, 0);
    await gone();
    await berth("run", "-d", "--rm", "--name", "away", "busybox", "sleep", "1000");
    await berth("run", "-d", "--name", "kept", "busybox", "true");
    const { pid } = JSON.parse((await berth("inspect", "away")).stdout)[0].task;
    await berthd.end();
    process.kill(pid, "SIGKILL");
    await until(() => !existsSync(`/proc/${pid}`), "it ends while nobody but its shim looks");
    await berthd.restart();
    await until(async () => (await berth("ps", "-aq")).stdout === "kept\n", "it is removed after the restart");
    // What cannot be started has no end.
    const failed = await berth("run", "-d", "--rm", "--name", "never", "busybox", "nope");
    assert.deepEqual([failed.code, /nope/.test(failed.stderr)], [127, true]);
    assert.equal((await berth("ps", "-aq")).stdout, "kept\n");
    await berth("rm", "kept");
    await nothingLeft();
  });

  it("the last lines of a log can be asked for", async () => {
    await berth("run", "-d", "--name", "count", "busybox", "seq", "100");
    await berth("wait", "count");
    assert.equal((await berth("logs", "-n", "3", "count")).stdout, "98\n99\n100\n");
    assert.equal((await berth("logs", "count")).stdout, Array.from({ length: 100 }, (_, i) => `${i + 1}\n`).join(""));
    const full = await (await shellAt(berthd.address))("-c", "exec berth logs count >/dev/full");
    assert.deepEqual([full.code, full.stderr], [125, 'berth: write "stdout": no space left on device\n']);
    assert.equal((await berth("rm", "count")).code, 0);
  });

  it("exec and kill say of one that has ended that it does not run", async () => {
    await berth("run", "-d", "--name", "over", "busybox", "true");
    await berth("wait", "over");
    const { code, stderr } = await berth("exec", "over", "true");
    assert.deepEqual([code, stderr], [125, 'berth: container "over" is not running: start it first\n']);
    const killed = await berth("kill", "over");
    assert.deepEqual([killed.code, killed.stderr], [125, 'berth: container "over" is not running\n']);
    assert.match((await berth("kill", "nobody")).stderr, /container "nobody".*not found/);
    assert.equal((await berth("rm", "over")).code, 0);
  });

  for (const runtime of ["io.containerd.berth.v2", "/usr/bin/containerd-shim-runc-v2"])
    it(`its log keeps its limits, tells stdout from stderr, and goes with it (${runtime})`, async () => {
      const logs = join(berthd.dir, "root/io.berth.engine.v1/logs", testNamespace);
      const script = "seq 100001 140000; echo to stderr >&2; read forever";
      const limits = ["--log-opt", "max-size=32k", "--log-opt", "max-file=2"];
      await berth("run", "-d", "--name", "big", "--runtime", runtime, ...limits, "busybox", "sh", "-c", script);
      await berth("wait", "big");
      // Another shim's logging program may read on for a moment when the container has ended.
      await until(async () => (await berth("logs", "-n", "2", "big")).stdout.includes("140000\n"), "all is logged");
      const { stdout, stderr } = await berth("logs", "big");
      assert.equal(stderr, "to stderr\n");
      const first = Number(/\n(\d+)\n/.exec(stdout)?.[1]);
      assert.ok(stdout.endsWith(Array.from({ length: 140_001 - first }, (_, i) => `${first + i}\n`).join("")));
      assert.ok(stdout.length <= 65_536);
      const files = readdirSync(join(logs, "big"));
      assert.deepEqual(files.sort(), ["log", "log.1"]);
      for (const file of files) assert.ok(statSync(join(logs, "big", file)).size <= 32_768);
      assert.equal((await berth("start", "big")).code, 0);
      await berth("wait", "big");
      assert.deepEqual(readdirSync(join(logs, "big")).sort(), ["log", "log.1"]);
      assert.equal((await berth("rm", "big")).code, 0);
      assert.deepEqual(readdirSync(logs), []);
    });

  it("a log that cannot be is refused before anything is made", async () => {
    for (const option of ["max-size=1", "max-file=0", "max-size=many", "mode=fast"])
      assert.match((await berth("run", "-d", "--log-opt", option, "busybox", "true")).stderr, /max-(size|file)/);
    await nothingLeft();
  });
});

describe("events", () => {
  it("a container's life is told in order", async () => {
    const events = berth.start("events", "--json", "topic~=|^/tasks/|");
    let told = false;
    void events.said('"early"').then(() => {
      told = true;
    });
    // There is no sign that the subscription stands but an event.
    await until(async () => {
      await berth("run", "--rm", "--name", "early", "busybox", "true");
      return told;
    }, "a first event");
    await berth("run", "--rm", "--name", "seen", "busybox", "true");
    await berth("ps", "-a"); // once it has gone
    await berth("run", "--rm", "--name", "last", "busybox", "true");
    await events.said('"last"');
    events.child.kill("SIGINT");
    const lines = (await events.ended).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.filter(({ event }) => event.containerId === "seen").map(({ topic }) => topic),
      ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"],
    );
  });
});

describe("when the client goes", () => {
  const fifos = () => {
    const directory = join(berthd.dir, "fifo");
    return existsSync(directory) ? readdirSync(directory) : [];
  };
  /** More than all pipes on the way hold. */
  const rest = "seq 200000 399999";
  const written = Array.from({ length: 200_000 }, (_, i) => `${200_000 + i}\n`).join("");
  const waitFor = (file: string) => `while [ ! -e ${file} ]; do usleep 10000; done`;
  const go = async (id: string) => assert.equal((await berth("exec", id, "touch", "/go")).code, 0);

  it("its container goes on, and what it writes is in its log", async () => {
    const { child, said, ended } = berth.start(
      "run",
      "--name",
      "gone",
      "busybox",
      "sh",
      "-c",
      `echo on; ${waitFor("/go")}; ${rest}; exit 5`,
    );
    await said("on\n");
    child.kill("SIGKILL");
    await ended;
    await go("gone");
    assert.equal((await berth("wait", "gone")).stdout, "5\n");
    await until(async () => (await berth("logs", "-n", "1", "gone")).stdout === "399999\n", "all is in the log");
    assert.equal((await berth("logs", "gone")).stdout, written);
    assert.equal((await berth("rm", "gone")).code, 0);
    await nothingLeft();
  });

  it("also while berthd is away, and berthd may go again", async () => {
    const script = `echo on; ${waitFor("/go")}; ${rest}; exit 5`;
    const { child, said, ended } = berth.start("run", "--name", "gone", "busybox", "sh", "-c", script);
    await said("on\n");
    await berthd.end();
    child.kill("SIGKILL");
    await ended;
    await berthd.restart();
    const reader = () => processesNaming(berthd.dir).filter(({ command }) => command.includes("-log"));
    await until(() => reader().length === 1, "something reads its output");
    await berthd.end();
    await berthd.restart();
    await go("gone");
    assert.equal((await berth("wait", "gone")).stdout, "5\n");
    await until(async () => (await berth("logs", "-n", "1", "gone")).stdout === "399999\n", "all is in the log");
    assert.equal((await berth("logs", "gone")).stdout, written);
    await until(() => reader().length === 0, "the reader has ended");
    assert.equal((await berth("rm", "gone")).code, 0);
    await nothingLeft();
  });

  it("a terminal that the user has left is read too", async () => {
    const shell = await berthOnTerminal(berthd.address, ["run", "-it", "--name", "left", "busybox", "sh"]);
    await shell.expect("# ");
    shell.type(`${waitFor("/go")}; ${rest}; exit 5\r`);
    await shell.expect("exit 5");
    shell.type("\x10\x11");
    await shell.expect("detached from left");
    await go("left");
    assert.equal((await berth("wait", "left")).stdout, "5\n");
    await until(async () => (await berth("logs", "left")).stdout.includes("399999"), "all is in the log");
    assert.equal((await berth("logs", "left")).stdout.replaceAll("\r", "").includes(written), true);
    assert.equal((await berth("rm", "left")).code, 0);
    await nothingLeft();
  });

  it("its exec goes on unheard, and is forgotten with all its files when it has ended", async () => {
    await berth("run", "-d", "--name", "host", "busybox", "sleep", "1000");
    const bundle = join(berthd.state, "io.containerd.runtime.v2.task", testNamespace, "host");
    const before = readdirSync(bundle).sort();
    const { child, said, ended } = berth.start(
      "exec",
      "host",
      "sh",
      "-c",
      `echo on; ${waitFor("/go")}; ${rest}; touch /done`,
    );
    await said("on\n");
    assert.ok(readdirSync(bundle).length > before.length);
    child.kill("SIGKILL");
    await ended;
    await go("host");
    await until(() => readdirSync(bundle).length === before.length, "the exec's files have gone");
    assert.deepEqual(readdirSync(bundle).sort(), before);
    assert.equal((await berth("exec", "host", "ls", "/done")).code, 0);
    assert.deepEqual(fifos(), []);
    assert.equal((await berth("rm", "-f", "host")).code, 0);
    await nothingLeft();
  });
});

it("an exec that its client deletes is no surprise to berthd", async () => {
  await berth("run", "-d", "--name", "asked", "busybox", "sleep", "1000");
  for (let times = 0; times < 10; times++) assert.equal((await berth("exec", "asked", "true")).code, 0);
  assert.equal((await berth("rm", "-f", "asked")).code, 0);
  assert.doesNotMatch(berthd.log(), /could not be deleted/);
  await nothingLeft();
});

describe("on a terminal", () => {
  it("run -it is a shell with the terminal's size, which it follows", async () => {
    const shell = await berthOnTerminal(berthd.address, ["run", "--rm", "-it", "busybox", "sh"], {
      cols: 91,
      rows: 33,
    });
    await shell.expect("# ");
    shell.type("stty size; tty\r");
    await shell.expect("33 91");
    shell.pty.resize(100, 40);
    await until(() => {
      shell.type("stty size\r");
      return shell.screen().includes("40 100");
    }, "the new size is seen");
    await shell.expect("40 100");
    // What says so is in the foreground already; the shell itself may be between two commands, where ctrl-c is lost.
    shell.type("sh -c \"echo go''es; exec sleep 60\"\r");
    await shell.expect("goes");
    shell.type("\x03echo after $?\r"); // ctrl-c interrupts what runs in the container, not the client
    await shell.expect("after 130");
    shell.type("exit 6\r");
    assert.equal((await shell.exited).exitCode, 6);
    await nothingLeft();
  });

  it("exec -it works the same", async () => {
    await berth("run", "-d", "--name", "inside", "busybox", "sleep", "1000");
    const shell = await berthOnTerminal(berthd.address, ["exec", "-it", "inside", "sh"], { cols: 70, rows: 20 });
    await shell.expect("# ");
    // An exec's terminal is made at its start, and told its size afterwards.
    shell.type("until stty size 2>/dev/null | grep .; do usleep 10000; done\r");
    await shell.expect("20 70");
    shell.type("exit 3\r");
    assert.equal((await shell.exited).exitCode, 3);
    await berth("rm", "-f", "inside");
    await nothingLeft();
  });

  it("stop says what it waits for", async () => {
    await berth("run", "-d", "--name", "deaf", "busybox", "sh", "-c", "while :; do sleep 1; done");
    const stopping = await berthOnTerminal(berthd.address, ["stop", "-t", "3", "deaf"], { cols: 200, rows: 24 });
    await stopping.expect("deaf has been asked to end, and is killed in 2 seconds if it does not: the first process");
    assert.equal((await stopping.exited).exitCode, 0);
    await berth("rm", "deaf");
    await nothingLeft();
  });

  it("ctrl-p ctrl-q leaves the container running", async () => {
    const shell = await berthOnTerminal(berthd.address, ["run", "-it", "--name", "left", "busybox", "sh"]);
    await shell.expect("# ");
    shell.type("\x10\x11");
    await shell.expect("detached from left");
    assert.equal((await shell.exited).exitCode, 0);
    assert.equal((await berth("ps", "-q")).stdout, "left\n");
    assert.equal((await berth("rm", "-f", "left")).code, 0);
    await nothingLeft();
  });

  it("the terminal is put back, whatever ended the client", async () => {
    const program = process.env.BERTH_BIN ?? "dist/bin/berth";
    const shell = onTerminal("/bin/sh", [], {
      ...process.env,
      BERTH_ADDRESS: berthd.address,
      BERTH_NAMESPACE: testNamespace,
      PS1: "@ ",
      PATH: process.env.PATH,
    });
    await shell.expect("@ ");
    shell.type("stty -g > /tmp/before.$$; echo pid=$$.\r");
    await shell.expect("@ ");
    for (const [command, keys] of [
      ["run --rm -it busybox sh", "exit 0\r"],
      ["run --rm -it busybox sh", "kill -9 $$; exit\r"],
      ["run -it --name kept busybox sh", "\x10\x11"],
    ]) {
      shell.type(`${program} ${command}\r`);
      await shell.expect("# ");
      shell.type(keys ?? "");
      await shell.expect("@ ");
      shell.type('stty -g | cmp - /tmp/before.$$ && echo same-"settings"\r');
      await shell.expect("same-settings");
      await shell.expect("@ ");
    }
    shell.type("rm /tmp/before.$$; exit\r");
    await shell.exited;
    assert.equal((await berth("rm", "-f", "kept")).code, 0);
    await nothingLeft();
  });
});

describe("a supervisor that is killed", () => {
  it("while a container runs in the foreground: the client goes on with the next one", async () => {
    const { ended, said } = berth.start(
      ..."run --rm busybox sh -c".split(" "),
      "for i in $(seq 30); do echo $i; sleep 0.1; done; exit 7",
    );
    await said("5\n");
    await berthd.end();
    await said("15\n");
    await berthd.restart();
    const { code, stdout, stderr } = await ended;
    assert.equal(stdout, Array.from({ length: 30 }, (_, i) => `${i + 1}\n`).join(""));
    assert.equal(code, 7);
    assert.equal(stderr, "berth: berthd has gone; waiting for it to come back\n");
    await nothingLeft();
  });

  it("while a container in the background writes: its log has every line, and its end is known", async () => {
    await berth(
      "run",
      "-d",
      "--name",
      "writer",
      "busybox",
      "sh",
      "-c",
      "for i in $(seq 20); do echo $i; sleep 0.05; done; exit 7",
    );
    const logs = berth.start("logs", "-f", "writer");
    const waiting = berth("wait", "writer");
    await logs.said("3\n");
    const { pid } = JSON.parse((await berth("ps", "--json")).stdout);
    await berthd.end();
    await until(() => !existsSync(`/proc/${pid}`), "it ends while nobody but its shim looks");
    await berthd.restart();
    assert.equal((await waiting).stdout, "7\n");
    assert.equal((await logs.ended).stdout, Array.from({ length: 20 }, (_, i) => `${i + 1}\n`).join(""));
    assert.match((await berth("ps", "-a")).stdout, /exited \(7\)/);
    await berth("rm", "writer");
    await nothingLeft();
  });
});
