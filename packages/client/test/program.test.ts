import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { unavailable, unknownError } from "@berth/base";
import { flag } from "../src/cli/args.ts";
import { type AnyCommand, command } from "../src/cli/command.ts";
import { exitCodeOf } from "../src/cli/exit-code.ts";
import { commandHelp, programHelp } from "../src/cli/help.ts";
import { globalOptions, readInvocation } from "../src/cli/program.ts";
import { UsageError } from "../src/cli/usage-error.ts";
import { type Api, Connection, type Link, Unreachable } from "../src/session/connection.ts";

const fake = (name: string, upToFirst = false): AnyCommand =>
  command({
    name,
    summary: `Do ${name}`,
    usage: "X",
    upToFirst,
    options: { all: flag("all", { short: "a" }) },
    run: async () => 0,
  });
const all = [fake("run", true), fake("ps"), fake("image ls"), fake("image rm")];
const commands = all.map((one) => ({ name: one.name, load: async () => one }));
const read = (line: string) => readInvocation(commands, line.split(" ").filter(Boolean));
const fails = (message: RegExp, line: string) =>
  assert.rejects(read(line), (error) => error instanceof UsageError && message.test(error.message));

describe("the command line", () => {
  it("general options stand before the command with their letters, behind it with their names", async () => {
    const invocation = await read("-a /sock -n one ps -a --namespace two");
    assert.ok(invocation.kind === "run");
    assert.deepEqual({ ...invocation.globals }, { address: "/sock", namespace: "two", help: false, version: false });
    assert.equal(invocation.values.all, true);
  });

  it("a command of two words is found", async () => {
    const invocation = await read("image ls x");
    assert.ok(invocation.kind === "run");
    assert.equal(invocation.command.name, "image ls");
    assert.deepEqual(invocation.rest, ["x"]);
  });

  it("help is given everywhere", async () => {
    for (const line of ["--help", "-h", "help"]) assert.deepEqual(await read(line), { kind: "help", of: null }, line);
    for (const line of ["ps --help", "ps -h", "help ps", "--help ps", "run --help"]) {
      const invocation = await read(line);
      assert.ok(invocation.kind === "help" && invocation.of !== null, line);
    }
    const behind = await read("run busybox --help");
    assert.ok(behind.kind === "run");
    assert.deepEqual(behind.rest, ["busybox", "--help"]);
  });

  it("the version is asked for before the command, where -v may mean something else", async () => {
    for (const line of ["--version", "-v", "-v ps"]) assert.deepEqual(await read(line), { kind: "version" }, line);
    await fails(/unknown option -v/, "ps -v");
  });

  it("a word of another tool is answered with what there is instead", async () => {
    for (const [word, answer] of [
      ["image push", /^berth has no push: berth push/],
      ["cp", /^berth has no cp: berth exec/],
      ["images", /^berth has no images: berth image ls$/],
      ["rmi", /^berth has no rmi: berth image rm$/],
      ["image pull", /^berth has no pull: berth pull/],
      ["tasks", /^berth has no tasks: .*berth exec/],
    ] as const)
      await fails(answer, word);
  });

  it("help fits a terminal of 80 columns", async () => {
    for (const text of [programHelp(all, globalOptions), ...all.map(commandHelp)])
      for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  });

  it("what is not there is named, with the nearest that is", async () => {
    await fails(/^unknown command "rnu": did you mean run\?$/, "rnu");
    await fails(/^unknown command "frobnicate": berth --help lists what there is$/, "frobnicate");
    await fails(/^unknown command "image sl": did you mean image ls\?$/, "image sl");
    await fails(/^image needs one more word: ls, rm$/, "image");
    await fails(/^a command is missing/, "");
    await fails(/^unknown option --nope$/, "ps --nope");
  });
});

describe("exit codes", () => {
  for (const [message, code] of [
    [
      'runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
      127,
    ],
    ['unable to start container process: exec: "/nope": stat /nope: no such file or directory', 127],
    ["executable file `nope` not found in $PATH: No such file or directory", 127],
    ['unable to start container process: exec: "/etc/passwd": permission denied', 126],
    ["exec /script: exec format error", 126],
    ["open executable: Permission denied", 126],
    ['image "x": not found', 125],
    [
      'unable to retrieve OCI runtime error (open /l: no such file or directory): exec: "r": executable file not found',
      125,
    ],
    ['error mounting "/nope" to rootfs: stat /nope: no such file or directory', 125],
    ["open /run/x: permission denied", 125],
  ] as const)
    it(`${code} for: ${message}`, () => assert.equal(exitCodeOf(unknownError(message)), code));
  it("2 for usage, 125 for a supervisor that is not there", () => {
    assert.equal(exitCodeOf(new UsageError("x")), 2);
    assert.equal(exitCodeOf(new Unreachable("/run/berth/berth.sock", "nobody listens there")), 125);
  });
});

describe("a connection", () => {
  /** Links of numbered supervisors over a clock that only sleeping moves. */
  const network = () => {
    const state = { time: 0, down: false, connects: 0, told: 0 };
    const connection = new Connection({
      connect: (): Link => {
        if (state.down) throw new Unreachable("/s", "nobody listens there");
        state.connects++;
        return { api: { id: state.connects } as unknown as Api, open: true, close() {} };
      },
      sleep: async (ms) => {
        state.time += ms;
        if (state.time > 1000 && state.time < 20_000) state.down = false;
      },
      now: () => state.time,
      onLost: () => {
        state.told++;
      },
    });
    return { state, connection };
  };

  it("a call goes on with the next supervisor when its own has gone, and the user is told once", async () => {
    const { state, connection } = network();
    const answer = await connection.persist(async (api) => {
      const { id } = api as unknown as { id: number };
      if (id > 1) return id;
      state.down = true;
      throw unavailable("ttrpc: closed");
    });
    assert.equal(answer, 2);
    assert.equal(state.told, 1);
  });

  it("gives up after half a minute with the reason", async () => {
    const { state, connection } = network();
    state.time = 50_000;
    state.down = true;
    await assert.rejects(
      connection.persist(async () => 1),
      /cannot reach berthd at \/s: nobody listens there/,
    );
    assert.ok(state.time > 80_000 && state.time < 81_000, String(state.time));
  });

  it("an error that the supervisor answers is not repeated", async () => {
    const { connection } = network();
    let calls = 0;
    await assert.rejects(
      connection.persist(async () => {
        calls++;
        throw unknownError("no");
      }),
      /no/,
    );
    assert.equal(calls, 1);
  });
});
