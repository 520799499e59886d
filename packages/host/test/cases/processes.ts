import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  becomeSubreaper,
  environ,
  exists,
  fork,
  kill,
  now,
  O,
  onSignal,
  open,
  pid,
  pipe,
  read,
  readdir,
  readText,
  readyCgroupLock,
  run,
  SystemError,
  signalNumber,
  spawn,
  watch,
  watchPid,
  writeFile,
} from "@berth/host";
import { temporary } from "./temporary.ts";
import { itLeavesNothing } from "./without-leak.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const sh = (script: string, ...args: string[]) => ["/bin/sh", "-c", script, "sh", ...args];
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return error instanceof SystemError ? `${error.code} ${error.syscall} ${error.path}` : String(error);
  }
};
const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

describe("a child", () => {
  for (const [script, status] of [
    ["exit 0", 0],
    ["exit 7", 7],
    ["exit 255", 255],
    ["kill -TERM $$", 143],
    ["kill -KILL $$", 137],
  ] as const) {
    itLeavesNothing(`that says "${script}" has status ${status}`, async () => {
      const before = now();
      const child = spawn({ argv: sh(script) });
      const exit = await child.exited;
      assert.deepEqual([exit.pid, exit.status], [child.pid, status]);
      assert.ok(before <= exit.at && exit.at <= now());
      child.kill(9); // gone already: fine
    });
  }
  itLeavesNothing("that cannot be started says why, and leaves no process behind", () => {
    using folder = temporary();
    writeFile(`${folder.path}/plain`, "not a program", { mode: 0o755 });
    writeFile(`${folder.path}/interpreted`, "#!/no/such/interpreter\n", { mode: 0o755 });
    writeFile(`${folder.path}/unreadable`, "", { mode: 0o600 });
    for (const [argv, expected] of [
      [["no-such-program-at-all"], "ENOENT exec no-such-program-at-all"],
      [[`${folder.path}/missing`], `ENOENT exec ${folder.path}/missing`],
      [[`${folder.path}/plain`], `ENOEXEC exec ${folder.path}/plain`],
      [[`${folder.path}/interpreted`], `ENOENT exec ${folder.path}/interpreted`],
      [[`${folder.path}/unreadable`], `EACCES exec ${folder.path}/unreadable`],
      [[folder.path], `EACCES exec ${folder.path}`],
      [[], "EINVAL exec an empty argument list"],
    ] as const)
      assert.equal(
        codeOf(() => spawn({ argv })),
        expected,
      );
    assert.equal(
      codeOf(() => spawn({ argv: sh("true"), cwd: "/no/such" })),
      "ENOENT exec /bin/sh",
    );
    assert.match(readText(`/proc/${pid()}/task/${pid()}/children`), /^$/);
  });
  itLeavesNothing(
    "has the arguments, environment and directory that it was given, and no more descriptors",
    async () => {
      using folder = temporary();
      using extra = open("/dev/null", O.RDONLY);
      using _other = open("/dev/zero", O.RDONLY);
      const script = 'echo "$1|$FOO|$PWD|$HOME"; ls /proc/self/fd | tr "\\n" " "';
      const result = await run({
        argv: sh(script, "one two"),
        env: ["FOO=bar", "PATH=/bin:/usr/bin"],
        cwd: folder.path,
        extraFds: [extra],
      });
      assert.equal(text(result.stdout), `one two|bar|${folder.path}|\n0 1 2 3 4 `); // 4 is what ls opens
    },
  );
  itLeavesNothing("gets descriptors that are each other's targets in the right places", async () => {
    const [third, fourth, fifth] = [pipe(), pipe(), pipe()];
    const child = spawn({
      argv: sh("echo three >&3; echo four >&4; echo five >&5"),
      extraFds: [fifth.write, third.write, fourth.write],
    });
    assert.equal((await child.exited).status, 0);
    const said = [fifth, third, fourth].map((each) => text(read(each.read, 100) ?? new Uint8Array(0)));
    for (const each of [third, fourth, fifth]) {
      each.read.close();
      each.write.close();
    }
    assert.deepEqual(said, ["three\n", "four\n", "five\n"]);
  });
  itLeavesNothing("starts with default signals, whatever we block", async () => {
    using _usr = onSignal(10, () => {});
    const result = await run({ argv: ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"] });
    assert.equal(text(result.stdout), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });
  itLeavesNothing("leads a session or a group of its own when asked", async () => {
    const ids = async (options: { setsid?: boolean; setpgid?: boolean }) => {
      const { stdout } = await run({ argv: ["cat", "/proc/self/stat"], ...options });
      const [own, , , , group, session] = text(stdout).split(" ");
      return { leadsGroup: own === group, leadsSession: own === session };
    };
    assert.deepEqual(await ids({}), { leadsGroup: false, leadsSession: false });
    assert.deepEqual(await ids({ setpgid: true }), { leadsGroup: true, leadsSession: false });
    assert.deepEqual(await ids({ setsid: true }), { leadsGroup: true, leadsSession: true });
  });
  itLeavesNothing("inherits our environment when none is given", async () => {
    const { stdout } = await run({ argv: ["env"] });
    const path = environ().find((entry) => entry.startsWith("PATH="));
    assert.ok(text(stdout).includes(`${path}\n`));
  });
  itLeavesNothing("is one of many, and none is lost", async () => {
    const children = Array.from({ length: 40 }, (_unused, i) => ({ i, child: spawn({ argv: sh(`exit ${i}`) }) }));
    for (const { i, child } of children) assert.equal((await child.exited).status, i);
  });
});

describe("a run", () => {
  itLeavesNothing("collects both streams up to the limit and feeds the input", async () => {
    const input = new Uint8Array(300_000).fill(120);
    const result = await run({ argv: sh("cat; echo error >&2; exit 3"), input, captureLimit: 200_000 });
    assert.deepEqual([result.status, result.timedOut, text(result.stderr)], [3, false, "error\n"]);
    assert.equal(result.stdout.length, 200_000);
    assert.equal(result.stdout.at(-1), 120);
  });
  itLeavesNothing("is fine with a program that does not read its input", async () => {
    const result = await run({ argv: ["true"], input: new Uint8Array(1_000_000) });
    assert.equal(result.status, 0);
  });
  itLeavesNothing("is ended by its timeout", async () => {
    const result = await run({ argv: ["sleep", "60"], timeoutMs: 30 });
    assert.deepEqual([result.status, result.timedOut], [137, true]);
  });
  itLeavesNothing("is ended by an abort", async () => {
    const controller = new AbortController();
    const running = run({ argv: ["sleep", "60"], signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(running, /enough/);
    await assert.rejects(run({ argv: ["true"], signal: controller.signal }), /enough/);
  });
  itLeavesNothing("does not wait for a descendant that keeps the streams", async () => {
    const result = await run({ argv: sh("sleep 60 & echo $!") });
    kill(Number(text(result.stdout)), 9);
    assert.equal(result.status, 0);
  });
});

describe("an orphan", () => {
  /** It does nothing before its shell has gone, which might reap it otherwise. */
  const orphan = async (script: string): Promise<number> => {
    becomeSubreaper();
    const alone = "while [ -e /proc/$$ ]; do sleep 0.01; done";
    const { stdout } = await run({ argv: sh(`(${alone}; ${script}) >/dev/null 2>&1 & echo $!`) });
    return Number(text(stdout));
  };
  itLeavesNothing("becomes ours and its exit is told", async () => {
    const pid = await orphan("exit 9");
    const exit = await watchPid(pid).exited;
    assert.deepEqual([exit.pid, exit.status], [pid, 9]);
  });
  itLeavesNothing("that ended before anybody asked is told later, once", async () => {
    const pid = await orphan("exit 11");
    while (exists(`/proc/${pid}`)) await nextTurn();
    await nextTurn();
    assert.equal((await watchPid(pid).exited).status, 11);
    let again = false;
    const second = watchPid(pid);
    void second.exited.then(() => {
      again = true;
    });
    await nextTurn();
    assert.ok(second.foreign);
    second.close();
    assert.ok(!again);
  });
  itLeavesNothing("is none of ours where it is somebody else's", async () => {
    const other = watchPid(1);
    other.close();
    assert.ok(other.foreign);
    const pid = await orphan("exit 0");
    const ours = watchPid(pid);
    assert.ok(!ours.foreign);
    await ours.exited;
  });
});

describe("a signal", () => {
  itLeavesNothing("arrives, and not after dispose", async () => {
    let count = 0;
    {
      using _hangup = onSignal(1, () => {
        count++;
      });
      kill(pid(), 1);
      while (count === 0) await nextTurn();
    }
    kill(pid(), 1);
    await nextTurn();
    assert.equal(count, 1);
  });
  for (const [name, number] of [
    ["SIGTERM", 15],
    ["TERM", 15],
    ["term", 15],
    ["9", 9],
    ["SIGRTMIN+3", 37],
    ["RTMAX", 64],
    ["SIGFOO", null],
    ["0", null],
    ["65", null],
    ["constructor", null],
    ["", null],
  ] as const) {
    itLeavesNothing(`named ${JSON.stringify(name)} is ${number}`, () => assert.equal(signalNumber(name), number));
  }
});

describe("the loop", () => {
  itLeavesNothing("refuses a fork once it runs", () =>
    assert.match(
      codeOf(() => fork()),
      /^EINVAL fork/,
    ),
  );
  itLeavesNothing("tells a hangup and stays quiet while nothing is asked", async () => {
    const { read: from, write: to } = pipe({ nonblock: true });
    let calls = 0;
    const watching = watch(from, { readable: true }, (ready) => {
      calls++;
      assert.ok(ready.readable && ready.hangup);
      watching.update({});
    });
    to.close();
    for (let i = 0; i < 5; i++) await nextTurn();
    assert.equal(calls, 1);
    watching.close();
    from.close();
  });
  itLeavesNothing("does not confuse a descriptor with the one that had its number before", async () => {
    const first = pipe({ nonblock: true });
    let wrong = 0;
    const stale = watch(first.read, { readable: true }, () => {
      wrong++;
    });
    first.read.close(); // against the rules: before its watch
    first.write.close();
    const second = pipe({ nonblock: true });
    let right = 0;
    const watching = watch(second.read, { readable: true }, () => {
      right++;
      watching.close();
    });
    second.write.close();
    while (right === 0) await nextTurn();
    stale.close();
    second.read.close();
    assert.equal(wrong, 0);
  });
  itLeavesNothing("sees this process with few descriptors", () => assert.ok(readdir("/proc/self/fd").length < 12));
});

describe("the lock of cgroups", () => {
  itLeavesNothing("is taken again and again by a thread that names itself, until nobody needs it", async () => {
    const { read: source, write: tasks } = pipe();
    using end = source;
    const first = readyCgroupLock(tasks);
    const id = text(read(end, 64) ?? new Uint8Array(0));
    assert.match(id, /^\d+$/);
    assert.notEqual(Number(id), pid());
    first[Symbol.dispose]();
    while ((read(end, 64) ?? "open").length > 0);
  });
  itLeavesNothing("is kept for a second user when the first has done", async () => {
    const [one, two] = [pipe(), pipe()];
    using endOfOne = one.read;
    using endOfTwo = two.read;
    const first = readyCgroupLock(one.write);
    const second = readyCgroupLock(two.write);
    while ((read(endOfOne, 64) ?? "open").length > 0); // one thread at a time
    first[Symbol.dispose]();
    for (let times = 0; times < 3; times++) assert.ok((read(endOfTwo, 64) ?? "").length > 0);
    second[Symbol.dispose]();
    while ((read(endOfTwo, 64) ?? "open").length > 0);
  });
  itLeavesNothing("is let go where a write is refused", async () => {
    const { read: source, write: tasks } = pipe();
    source.close();
    const place = `/proc/self/fd/${tasks.number}`;
    using _held = readyCgroupLock(tasks);
    while (exists(place)) await nextTurn();
  });
});
