// Commands that berth-launch runs for us are as if we had run them, and go on when either of us dies.
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, watch } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { mountsBelow, silent } from "@berth/base";
import { type Helper, identify, startHelper } from "@berth/helper";
import { helperEnvironment, killLaunch } from "../../packages/runtime/src/launched-processes.ts";

const program = resolve(import.meta.dirname, "../../dist/bin/berth-launch");
const env = { PATH: process.env.PATH, HERE: "yes" };
const timeoutMs = 10_000;

/** The launcher among our children. */
function launcherPid(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  const found = children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "berth-launch");
  assert.ok(found !== undefined, "there is no launcher");
  return found;
}

/** Resolves when the file is in the folder. */
async function untilThere(folder: string, name: string): Promise<void> {
  const watching = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await once(watching, "change");
  } finally {
    watching.close();
  }
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(status(pid));
const status = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "State:\tZ";
  }
};

for (const [name, path] of [
  ["berth-launch", program],
  ["no launcher", null],
] as const) {
  describe(`commands with ${name}`, () => {
    let launcher: Helper;
    before(() => {
      launcher = startHelper(path, helperEnvironment("/run/launcher-test"), silent);
    });
    after(() => launcher.close());
    const sh = (script: string, more: object = {}) =>
      launcher.run({ file: "/bin/sh", args: ["-c", script], env, timeoutMs, ...more });

    it("gives back status and both outputs", async () => {
      const { status, stdout, stderr } = await sh("echo out; echo err >&2; exit 7");
      assert.deepEqual([status, stdout.toString(), stderr.toString()], [7, "out\n", "err\n"]);
    });
    it("passes input, environment and directory", async () => {
      const { stdout } = await sh("cat; echo $HERE; pwd", { input: Buffer.from("in "), cwd: "/proc" });
      assert.equal(stdout.toString(), "in yes\n/proc\n");
    });
    it("has nothing on stdin where nothing is given", async () => {
      assert.equal((await sh("readlink /proc/self/fd/0")).stdout.toString(), "/dev/null\n");
    });
    it("runs each in a session of its own", async () => {
      const { stdout } = await sh("cut -d' ' -f6 /proc/$$/stat; echo $$; ls /proc/$$/fd");
      const [session, pid, ...descriptors] = stdout.toString().trim().split("\n");
      assert.equal(session, pid);
      // Node passes on what it was itself started with.
      if (path !== null) assert.deepEqual(descriptors, ["0", "1", "2"]);
    });
    it("carries a megabyte in and out", async () => {
      const input = Buffer.alloc(1 << 20, "0123456789abcdef");
      const { stdout } = await launcher.run({ file: "/bin/cat", args: [], env, input, timeoutMs });
      assert.ok(stdout.equals(input));
    });
    it("says what cannot be run as child_process does", async () => {
      await assert.rejects(launcher.run({ file: "/no/such", args: [], env, timeoutMs }), {
        code: "ENOENT",
        message: "spawn /no/such ENOENT",
      });
    });
    it("keeps many apart", async () => {
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) => sh(`echo ${n}; exit ${n}`)));
      assert.deepEqual(
        results.map((result) => [result.status, result.stdout.toString()]),
        results.map((_, n) => [n, `${n}\n`]),
      );
    });
    it("kills what takes too long with all that it has started", async () => {
      const folder = mkdtempSync("/tmp/berth-launch-");
      try {
        const slow = sh(`sleep 100 & echo $! > ${folder}/new; mv ${folder}/new ${folder}/pid; wait`, {
          timeoutMs: 500,
        });
        const refused = assert.rejects(slow, /took longer than 500 ms/);
        await untilThere(folder, "pid");
        const sleeper = Number(readFileSync(join(folder, "pid"), "utf8"));
        await refused;
        // The signal has been sent, or asked for: the next command is behind it.
        await sh("true");
        assert.ok(!isAlive(sleeper));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
    it("gives up with the caller's reason", async () => {
      const stop = new AbortController();
      const slow = sh("sleep 100", { signal: stop.signal });
      stop.abort(new Error("enough"));
      await assert.rejects(slow, /enough/);
    });
    it("makes a FIFO with its mode, and says why it cannot", async () => {
      const folder = mkdtempSync("/tmp/berth-helper-");
      const mask = process.umask(0o077);
      try {
        const path = join(folder, "a fifo");
        await launcher.mkfifo(path, 0o640);
        const { mode } = statSync(path);
        assert.deepEqual([mode & 0o777, statSync(path).isFIFO()], [0o640, true]);
        await assert.rejects(launcher.mkfifo(path, 0o640), /exists/i);
        await assert.rejects(launcher.mkfifo(join(folder, "none/fifo"), 0o640), /no such file/i);
      } finally {
        process.umask(mask);
        rmSync(folder, { recursive: true });
      }
    });
    it("signals a process, and spares another with its number", async () => {
      const child = spawn("/bin/sleep", ["100"]);
      const ended = once(child, "exit");
      try {
        const target = identify(child.pid ?? 0) ?? assert.fail("it does not run");
        assert.equal(await launcher.signal({ ...target, startTime: "1" }, 9), false);
        assert.equal(await launcher.signal(target, 0), true);
        assert.equal(await launcher.signal(target, 15), true);
        assert.deepEqual(await ended, [null, "SIGTERM"]);
        assert.equal(await launcher.signal(target, 9), false);
      } finally {
        child.kill("SIGKILL");
      }
    });
    it("tells when a process has ended, also one that is no child and is reaped late, and of one that has already", async () => {
      const child = spawn("/bin/sh", ["-c", "sleep 100 & echo $!; exec sleep 100"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const [text] = (await once(child.stdout, "data")) as [Buffer];
        const target = identify(Number(text)) ?? assert.fail("it does not run");
        const patient = new AbortController();
        let told = false;
        const end = launcher.ended(target, patient.signal).then(() => {
          told = true;
        });
        // Another call passes it.
        assert.equal(await launcher.signal(target, 0), true);
        assert.equal(told, false);
        // A zombie from here on: its parent does not ask for it.
        process.kill(target.pid, "SIGKILL");
        await end;
        await launcher.ended(target, patient.signal);
        await launcher.ended({ ...target, startTime: "1" }, patient.signal);
      } finally {
        child.kill("SIGKILL");
      }
    });
    it("stops to wait for an end with the caller's reason", async () => {
      const stop = new AbortController();
      const self = identify(process.pid) ?? assert.fail("we do not run");
      const waiting = launcher.ended(self, stop.signal);
      stop.abort(new Error("enough"));
      await assert.rejects(
        waiting,
        (error: Error) => /enough/.test(error.message) || error.cause === stop.signal.reason,
      );
      await assert.rejects(launcher.ended(self, stop.signal), /enough|aborted/);
    });
    it("unmounts what is mounted, the last first, and says what cannot be", async () => {
      const folder = mkdtempSync("/tmp/berth-helper-");
      const mounted = () => mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), folder);
      try {
        for (let times = 0; times < 2; times++) assert.equal((await sh(`mount -t tmpfs none ${folder}`)).status, 0);
        assert.equal(mounted().length, 2);
        await launcher.unmount(mounted(), timeoutMs);
        assert.deepEqual(mounted(), []);
        await assert.rejects(launcher.unmount([join(folder, "none")], timeoutMs), /no such file|no mount point/i);
      } finally {
        while (mounted().length > 0) await sh(`umount -l ${folder}`);
        rmSync(folder, { recursive: true });
      }
    });
    it("writes a file system to its disk, and says which there is not", async () => {
      await launcher.syncfs("/tmp", timeoutMs);
      await assert.rejects(launcher.syncfs("/tmp/no/such", timeoutMs), /no such file/i);
    });
  });
}

it("makes a network namespace that stays, with its loopback, and refuses a path that is there", async () => {
  const launcher = startHelper(program, helperEnvironment("/run/launcher-test"), silent);
  const folder = mkdtempSync("/tmp/berth-netns-");
  const path = join(folder, "one");
  try {
    await launcher.makeNetworkNamespace(path, timeoutMs);
    assert.notEqual(statSync(path).ino, statSync("/proc/self/ns/net").ino);
    const run = (file: string, ...args: string[]) => launcher.run({ file, args, env, timeoutMs });
    const { stdout: devices } = await run("nsenter", `--net=${path}`, "cat", "/proc/net/dev");
    assert.deepEqual(
      devices
        .toString()
        .match(/^ *\w+(?=:)/gm)
        ?.map((name) => name.trim()),
      ["lo"],
    );
    // Its address is routed only where the interface is up.
    const { stdout: routes } = await run("nsenter", `--net=${path}`, "cat", "/proc/net/fib_trie");
    assert.match(routes.toString(), /127\.0\.0\.1/);
    const { stdout: without } = await run("unshare", "-n", "cat", "/proc/net/fib_trie");
    assert.doesNotMatch(without.toString(), /127\.0\.0\.1/);
    await assert.rejects(launcher.makeNetworkNamespace(path, timeoutMs), { code: "EEXIST" });
    await assert.rejects(launcher.makeNetworkNamespace(join(folder, "no/such"), timeoutMs), { code: "ENOENT" });
    await launcher.unmount([path], timeoutMs);
    assert.equal(statSync(path).size, 0);
  } finally {
    await launcher.unmount([path], timeoutMs).catch(() => undefined);
    await launcher.close();
    rmSync(folder, { recursive: true });
  }
});

it("a helper that has died is done without: a signal is sent, an end is told", async () => {
  const launcher = startHelper(program, helperEnvironment("/run/launcher-test"), silent);
  const child = spawn("/bin/sleep", ["100"]);
  try {
    const target = identify(child.pid ?? 0) ?? assert.fail("it does not run");
    const end = launcher.ended(target, new AbortController().signal);
    await launcher.run({ file: "/bin/true", args: [], env, timeoutMs });
    process.kill(launcherPid(), "SIGKILL");
    assert.equal(await launcher.signal(target, 9), true);
    await end;
  } finally {
    child.kill("SIGKILL");
    await launcher.close();
  }
});

it("tells a service manager by name, and says of one that is not there what it is called", async () => {
  const launcher = startHelper(program, helperEnvironment("/run/launcher-test"), silent);
  try {
    await assert.rejects(
      launcher.notify("/nonexistent/notify", "READY=1"),
      /sendmsg "\/nonexistent\/notify": no such file/,
    );
    await assert.rejects(launcher.notify("@berth-nobody", "READY=1"), { code: "ECONNREFUSED" });
    await assert.rejects(launcher.notify(`/${"x".repeat(200)}`, "READY=1"), { code: "ENAMETOOLONG" });
  } finally {
    await launcher.close();
  }
});

it("a launcher that is stopped keeps nobody waiting for a call", async () => {
  const launcher = startHelper(program, helperEnvironment("/run/launcher-test"), silent, 200);
  try {
    await launcher.run({ file: "/bin/true", args: [], env, timeoutMs });
    process.kill(launcherPid(), "SIGSTOP");
    await assert.rejects(launcher.mkfifo("/tmp/berth-never", 0o600), { kind: "deadline-exceeded" });
    await assert.rejects(launcher.notify("/nonexistent", "READY=1"), { kind: "deadline-exceeded" });
    // Killed, for it would make the FIFO yet.
    process.kill(launcherPid(), "SIGKILL");
  } finally {
    await launcher.close();
  }
});

describe("a launcher that dies", () => {
  it("fails what is under way, and what comes after is run by ourselves and then by another", async () => {
    const launcher = startHelper(program, helperEnvironment("/run/launcher-test"), silent);
    const echo = () => launcher.run({ file: "/bin/echo", args: ["a"], env, timeoutMs });
    try {
      await echo();
      const first = launcherPid();
      const slow = launcher.run({ file: "/bin/sleep", args: ["1"], env, timeoutMs });
      process.kill(first, "SIGKILL");
      await assert.rejects(slow, { kind: "unavailable" });
      assert.equal((await echo()).stdout.toString(), "a\n");
      assert.equal((await echo()).stdout.toString(), "a\n");
      assert.notEqual(launcherPid(), first);
    } finally {
      await launcher.close();
    }
  });
  it("is done without where it cannot be started at all", async () => {
    const launcher = startHelper("/no/such/launcher", helperEnvironment("/run/launcher-test"), silent);
    const echo = () => launcher.run({ file: "/bin/echo", args: ["a"], env, timeoutMs });
    await echo().catch((error: { kind?: string }) => assert.equal(error.kind, "unavailable"));
    assert.equal((await echo()).stdout.toString(), "a\n");
    await launcher.close();
  });
});

describe("berthd that is killed", () => {
  it("takes its launcher with it, and nothing that was launched", async () => {
    const folder = mkdtempSync("/tmp/berth-launch-");
    const owner = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { startHelper } from ${JSON.stringify(resolve(import.meta.dirname, "../../packages/helper/src/index.ts"))};
         import { helperEnvironment } from ${JSON.stringify(resolve(import.meta.dirname, "../../packages/runtime/src/launched-processes.ts"))};
         const launcher = startHelper(${JSON.stringify(program)}, helperEnvironment(${JSON.stringify(folder)}), console);
         const script = "echo $PPID $$ > ${folder}/new; mv ${folder}/new ${folder}/pids; exec sleep 100";
         await launcher.run({ file: "/bin/sh", args: ["-c", script], env: process.env, timeoutMs: 60000 });`,
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    try {
      await untilThere(folder, "pids");
      const [launcher = 0, sleeper = 0] = readFileSync(join(folder, "pids"), "utf8").trim().split(" ").map(Number);
      const ended = once(owner, "exit");
      owner.kill("SIGKILL");
      await ended;
      for (let look = 0; look < 1000 && isAlive(launcher); look++) await new Promise((done) => setTimeout(done, 5));
      assert.ok(!isAlive(launcher), "the launcher is still there");
      assert.ok(isAlive(sleeper), "what it had launched has gone");
      process.kill(sleeper, "SIGKILL");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  it("does not get launched what its launcher had not come to", async () => {
    const folder = mkdtempSync("/tmp/berth-launch-");
    const launcher = startHelper(program, helperEnvironment("/run/launcher-test"), silent);
    const owner = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { readFileSync } from "node:fs";
         import { startHelper } from ${JSON.stringify(resolve(import.meta.dirname, "../../packages/helper/src/index.ts"))};
         import { helperEnvironment } from ${JSON.stringify(resolve(import.meta.dirname, "../../packages/runtime/src/launched-processes.ts"))};
         const launcher = startHelper(${JSON.stringify(program)}, helperEnvironment(${JSON.stringify(folder)}), console);
         const command = (file, args) => ({ file, args, env: { BERTH_LAUNCH: "a-launch" }, timeoutMs: 60000 });
         await launcher.run(command("/bin/true", []));
         const pid = readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim();
         process.kill(Number(pid), "SIGSTOP");
         void launcher.run(command("/bin/touch", [${JSON.stringify(join(folder, "launched"))}]));
         await launcher.run(command("/bin/sleep", [console.log(pid)]));`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      const [text] = (await once(owner.stdout, "data")) as [Buffer];
      const left = Number(text.toString());
      const ended = once(owner, "exit");
      owner.kill("SIGKILL");
      await ended;
      await killLaunch(launcher, "a-launch", folder);
      assert.ok(!isAlive(left), "the launcher is still there");
      assert.ok(!existsSync(join(folder, "launched")), "it was launched nevertheless");
    } finally {
      owner.kill("SIGKILL");
      await launcher.close();
      rmSync(folder, { recursive: true });
    }
  });
});
