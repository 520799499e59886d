// What the real client does around a process, with a supervisor that has processes instead of containers.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Status } from "@berth/proto/containerd/v1/types";
import { displayWidth } from "../../packages/client/src/print/display-width.ts";
import { until } from "../support/until.ts";
import { berthAt, shellAt } from "./berth.ts";
import { FakeSupervisor } from "./fake-supervisor.ts";
import { berthOnTerminal } from "./terminal.ts";

const MiB = 1024 * 1024;

describe("berth run", () => {
  it("passes on both outputs and the exit code, and leaves nothing", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const ended = await berth("run", "--rm", "image", "sh", "-c", "echo out; echo err >&2; exit 3");
    assert.deepEqual(ended, { code: 3, stdout: "out\n", stderr: "err\n" });
    assert.equal(supervisor.containers.size, 0);
    assert.deepEqual(readdirSync(join(supervisor.folder, "fifo")), []);
  });

  it("keeps the container without --rm", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    assert.equal((await berth("run", "--name", "web", "image", "true")).code, 0);
    assert.deepEqual([...supervisor.containers.keys()], ["web"]);
  });

  it("passes on stdin up to its end", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended } = berth.start("run", "--rm", "-i", "image", "cat");
    const input = "0123456789abcdef".repeat(MiB / 16);
    child.stdin?.end(input);
    const { code, stdout } = await ended;
    assert.equal(code, 0);
    assert.ok(stdout === input, `${stdout.length} of ${input.length} bytes came back`);
  });

  it("stdin is empty without -i", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended } = berth.start("run", "--rm", "image", "cat");
    child.stdin?.write("not for the container");
    assert.deepEqual(await ended, { code: 0, stdout: "", stderr: "" });
  });

  it("all of 64 MiB of output arrives, and a reader that pauses loses nothing", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended } = berth.start("run", "--rm", "image", "head", "-c", String(64 * MiB), "/dev/zero");
    child.stdout?.pause();
    await delay(700);
    child.stdout?.resume();
    const { code, stdout } = await ended;
    assert.deepEqual([code, stdout.length], [0, 64 * MiB]);
  });

  for (const [name, command, code] of [
    ["does not exist", "nope", 127],
    ["is not there", "/nope/nope", 127],
    ["may not be run", "/etc/passwd", 126],
  ] as const)
    it(`ends with ${code} where the command ${name}, and removes the container`, async () => {
      using supervisor = new FakeSupervisor();
      const berth = await berthAt(supervisor.address);
      const ended = await berth("run", "--rm", "image", command);
      assert.equal(ended.code, code);
      assert.match(ended.stderr, /^berth: unable to start: exec: .*\n$/);
      assert.equal(supervisor.containers.size, 0);
    });

  it("what has ended is not removed before all its output was read", async () => {
    using supervisor = new FakeSupervisor();
    const shell = await shellAt(supervisor.address);
    const read = join(supervisor.folder, "read");
    // More than the pipe to the reader takes, less than that and the FIFO before it: the process can end.
    const bytes = 100_000;
    const reader = `{ until test -e ${read}; do sleep 0.05; done; wc -c; }`;
    const { ended } = shell.start("-c", `berth run --rm image head -c ${bytes} /dev/zero | ${reader}`);
    const hasEnded = () => [...supervisor.processes.values()].some(({ status }) => status === Status.STOPPED);
    let wasThere = false;
    await until(() => {
      wasThere ||= supervisor.containers.size === 1;
      return hasEnded() || (wasThere && supervisor.containers.size === 0);
    });
    await delay(200);
    assert.equal(supervisor.containers.size, 1);
    writeFileSync(read, "");
    assert.equal((await ended).stdout.trim(), String(bytes));
    assert.equal(supervisor.containers.size, 0);
  });

  it("signals go to the process, whose exit code is the client's", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended, said } = berth.start(
      ..."run --rm image sh -c".split(" "),
      'trap "echo hup" HUP; trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done',
    );
    await said("ready");
    child.kill("SIGHUP");
    await said("hup");
    child.kill("SIGTERM");
    assert.equal((await ended).code, 9);
    assert.equal(supervisor.containers.size, 0);
  });

  it("the third interrupt of a process that ignores them kills it", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended, said, complained } = berth.start(
      ..."run --rm image sh -c".split(" "),
      'trap "echo int" INT; echo ready; while :; do sleep 0.05; done',
    );
    await said("ready");
    child.kill("SIGINT");
    await complained("process goes on: the first process of a container ignores signals that it does not handle; two");
    child.kill("SIGINT");
    await complained("one more interrupt kills it\n");
    child.kill("SIGINT");
    assert.equal((await ended).code, 137);
    assert.equal(supervisor.containers.size, 0);
  });

  it("a process whose output nobody reads any more ends", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended, said } = berth.start(
      ..."run --rm image sh -c".split(" "),
      "trap '' PIPE; while :; do echo on and on; done",
    );
    await said("on and on");
    child.stdout?.destroy();
    assert.equal((await ended).code, 137);
    assert.equal(supervisor.containers.size, 0);
  });

  it("goes on when the supervisor is killed and started again", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended, said, complained } = berth.start(
      ..."run --rm -i image sh -c".split(" "),
      "echo one; read x; echo $x; read x; echo $x; exit 5",
    );
    await said("one\n");
    supervisor.kill();
    child.stdin?.write("two\n");
    await said("two\n");
    await complained("waiting for it to come back");
    supervisor.restart();
    child.stdin?.end("three\n");
    const { code, stdout, stderr } = await ended;
    assert.deepEqual([code, stdout], [5, "one\ntwo\nthree\n"]);
    assert.equal(stderr, "berth: berthd has gone; waiting for it to come back\n");
    assert.equal(supervisor.containers.size, 0);
  });

  it("a process that ends while the supervisor is away is reported after the restart", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { ended, said } = berth.start(..."run --rm image sh -c".split(" "), "echo one; sleep 0.2; echo two; exit 7");
    await said("one\n");
    supervisor.kill();
    await said("two\n");
    await until(() => [...supervisor.processes.values()].every(({ status }) => status === Status.STOPPED));
    supervisor.restart();
    const { code, stdout } = await ended;
    assert.deepEqual([code, stdout], [7, "one\ntwo\n"]);
  });

  for (const [stream, redirect] of [
    ["stdout", ">/dev/full"],
    ["stderr", "2>/dev/full"],
  ] as const)
    it(`output that does not fit the disk of ${stream} is a failure of berth's, whatever the process says`, async () => {
      using supervisor = new FakeSupervisor();
      const shell = await shellAt(supervisor.address);
      const ended = await shell("-c", `berth run --rm image sh -c 'echo lost; echo lost >&2' ${redirect}`);
      assert.equal(ended.code, 125, JSON.stringify(ended));
      if (stream === "stdout") assert.match(ended.stderr, /berth: the output cannot be passed on: .*no space left/);
      assert.equal(supervisor.containers.size, 0);
    });

  it("an image that can neither be found nor pulled is answered with how to bring it", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { code, stderr } = await berth("run", "nothere");
    assert.equal(code, 125);
    assert.match(
      stderr,
      /^berth: image nothere cannot be pulled: [^\n]*; berth image import takes an archive of it\n$/,
    );
    assert.deepEqual(readdirSync(join(supervisor.folder, "fifo")), []);
    const never = await berth("run", "--pull", "never", "nothere");
    assert.match(never.stderr, /^berth: image "nothere": not found: fetch it with berth pull, [^\n]*\n$/);
  });

  it("a name that is taken is said, and the container that has it is left alone", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    await berth("run", "--name", "web", "image", "true");
    const ended = await berth("run", "--rm", "--name", "web", "image", "true");
    assert.deepEqual(ended, { code: 125, stdout: "", stderr: 'berth: container "web": already exists\n' });
    assert.deepEqual([...supervisor.containers.keys()], ["web"]);
  });
});

describe("berth exec", () => {
  it("passes on output, stdin and the exit code, and deletes the process", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended } = berth.start("run", "--name", "web", "image", "sleep", "60");
    await until(() => supervisor.processes.get("web/")?.status === Status.RUNNING);
    assert.deepEqual(await berth("exec", "web", "sh", "-c", "echo out; exit 4"), {
      code: 4,
      stdout: "out\n",
      stderr: "",
    });
    const inside = berth.start("exec", "-i", "web", "cat");
    inside.child.stdin.end("typed");
    assert.deepEqual(await inside.ended, { code: 0, stdout: "typed", stderr: "" });
    assert.equal((await berth("exec", "web", "nope")).code, 127);
    assert.equal((await berth("exec", "other", "true")).code, 125);
    assert.equal(supervisor.execs.size, 0);
    child.kill("SIGTERM");
    assert.equal((await ended).code, 143);
  });
});

describe("what is printed", () => {
  it("fails where it does not fit the disk", async () => {
    using supervisor = new FakeSupervisor();
    const shell = await shellAt(supervisor.address);
    for (const command of ["--help", "--version", "run --help", "version", "ps", "ps --json", "ps -q", "events"]) {
      const { code, stderr } = await shell("-c", `exec berth ${command} >/dev/full`);
      // An empty list writes nothing, which fits.
      const empty = command === "ps --json" || command === "ps -q";
      assert.deepEqual([code, /no space left on device/.test(stderr)], empty ? [0, false] : [125, true], command);
    }
  });

  it("inspect prints one JSON array, of those that are there", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    for (const name of ["a", "b"]) await berth("run", "--name", name, "image", "true");
    assert.deepEqual(JSON.parse((await berth("inspect", "a", "b")).stdout), [{ id: "a" }, { id: "b" }]);
    assert.deepEqual(JSON.parse((await berth("inspect", "b")).stdout), [{ id: "b" }]);
    const some = await berth("inspect", "a", "nope");
    assert.deepEqual([some.code, JSON.parse(some.stdout)], [125, [{ id: "a" }]]);
    assert.equal(some.stderr, 'berth: container "nope": not found\n');
  });

  it("ps keeps to the terminal's width, except where whole lines are asked for", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const line = ["sh", "-c", `echo ${"日本語".repeat(12)}; true`];
    await berth("run", "--name", "wide", "image", ...line);
    const cut = await berthOnTerminal(supervisor.address, ["ps"], { cols: 60, rows: 24 });
    await cut.exited;
    const lines = cut.screen().trimEnd().split(/\r?\n/);
    assert.equal(lines.length, 2, cut.screen());
    for (const each of lines) assert.ok(displayWidth(each) <= 60, `${displayWidth(each)}: ${each}`);
    assert.match(lines[1] ?? "", /^wide {2}image {2}sh -c echo (?:日本語)+\S*… /);
    const whole = await berthOnTerminal(supervisor.address, ["ps", "--no-trunc"], { cols: 60, rows: 24 });
    await whole.exited;
    assert.ok(whole.screen().includes("日本語".repeat(12)), whole.screen());
  });

  it("a state has one word", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    await berth("run", "--name", "a", "image", "true");
    supervisor.status = "stopped";
    assert.equal(JSON.parse((await berth("ps", "-a", "--json")).stdout).status, "exited");
    assert.match((await berth("ps", "-a")).stdout, / exited \(0\)/);
  });
});

describe("berth events", () => {
  it("goes on with the next berthd, and says what was not seen", async () => {
    using supervisor = new FakeSupervisor();
    const berth = await berthAt(supervisor.address);
    const { child, ended, said } = berth.start("events");
    for (const round of [1, 2, 3]) {
      await said(`"event ${round}"`);
      supervisor.kill();
      supervisor.restart();
    }
    await said('"event 4"');
    child.kill("SIGTERM");
    const { stdout, stderr } = await ended;
    assert.equal(stdout.trim().split("\n").length, 4, stdout);
    assert.equal(
      stderr,
      "berth: berthd has gone; waiting for it to come back\nberth: berthd is back; what happened meanwhile was not seen\n".repeat(
        3,
      ),
    );
  });
});

describe("berth", () => {
  it("says that it may not where it may not", async () => {
    const folder = mkdtempSync("/tmp/berth-locked.");
    try {
      chmodSync(folder, 0o755);
      const listener = createServer().listen(join(folder, "b.sock.ttrpc"));
      await once(listener, "listening");
      chmodSync(join(folder, "b.sock.ttrpc"), 0o600);
      const shell = await shellAt(join(folder, "b.sock"));
      const nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all";
      const { code, stderr } = await shell("-c", `exec ${nobody} berth ps`);
      listener.close();
      assert.equal(code, 125, stderr);
      assert.match(
        stderr,
        /^berth: cannot reach berthd at \S+: permission denied. Its socket is for its owner and group/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says which supervisor cannot be reached, why, and what to do", async () => {
    const berth = await berthAt("/tmp/there-is-none.sock");
    for (const line of ["ps", "run image", "exec a b", "wait a", "logs a"]) {
      const { code, stderr } = await berth(...line.split(" "));
      assert.equal(code, 125, line);
      assert.equal(
        stderr,
        "berth: cannot reach berthd at /tmp/there-is-none.sock: there is no such socket. Is berthd running, and is this its address (--address, $BERTH_ADDRESS)?\n",
      );
    }
  });

  it("says of a supervisor that is older what it lacks, and what to do", async () => {
    using supervisor = new FakeSupervisor({ lacks: ["RunContainer", "CheckImages"] });
    const berth = await berthAt(supervisor.address);
    for (const [line, method] of [
      ["run --rm image true", "RunContainer"],
      ["image check", "CheckImages"],
    ] as const) {
      const { code, stderr } = await berth(...line.split(" "));
      assert.equal(code, 125, line);
      assert.equal(
        stderr,
        `berth: what answers there does not know the method ${method}: where it is a berthd that is older than this berth (berth version shows both), restart it\n`,
      );
    }
  });

  it("usage that cannot be understood ends with 2 and one sentence", async () => {
    const berth = await berthAt("/tmp/there-is-none.sock");
    for (const [args, message] of [
      [["rnu"], 'berth: unknown command "rnu": did you mean run?\n'],
      [["run", "--meory", "1", "x"], "berth: unknown option --meory\n"],
      [
        ["run", "--memory", "lots", "x"],
        'berth: option --memory: "lots" is not a size: write it like 65536, 512m or 1.5g\n',
      ],
      [["kill", "-s", "NOPE", "x"], 'berth: option -s: "NOPE" is not a signal: write it like TERM or 15\n'],
      [["run", "-it", "x"], "berth: cannot reach berthd"],
      [[], "berth: a command is missing: berth --help lists them\n"],
    ] as [string[], string][]) {
      const { code, stderr } = await berth(...args);
      if (message.endsWith("\n")) assert.deepEqual([code, stderr], [2, message]);
      else assert.ok(stderr.startsWith(message), stderr);
    }
  });

  it("every command has help of 80 columns at most", async () => {
    const berth = await berthAt("/tmp/there-is-none.sock");
    const { stdout } = await berth("--help");
    const names = [
      ...Buffer.from(stdout, "latin1")
        .toString()
        .matchAll(/^ {2}((?:image )?[a-z]+) {2}/gm),
    ].map((match) => match[1] ?? "");
    assert.ok(names.length >= 15, names.join());
    for (const name of names) {
      const help = await berth(...name.split(" "), "--help");
      assert.equal(help.code, 0);
      for (const line of Buffer.from(help.stdout, "latin1").toString().split("\n")) assert.ok(line.length <= 80, line);
    }
  });
});
