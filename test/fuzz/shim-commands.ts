// The shim's commands: what stands on stdin of `start` and `-info`, and the files that `start` and `delete` find.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { packAny } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import { BootstrapParams } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { DeleteResponse, Task } from "@berth/proto/containerd/task/v2";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import { Any } from "@berth/proto/google/protobuf";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { makeBundle, ociSpec } from "../support/bundle.ts";
import { processesNaming } from "../support/leftovers.ts";
import { killNow } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { buildShim, fakeRuntime, reportsIn, sanitizerEnvironment } from "./live-shim.ts";
import { joined, mutateBytes, mutateJson } from "./mutate.ts";
import type { Random } from "./random.ts";
import { hostileStrings, randomMessage } from "./random-message.ts";
import type { Budget, Target } from "./target.ts";

/** Much more than any command takes, sanitizers included. */
const HANG_MS = 20_000;

const engineWords = /not a function|of undefined|of null|not iterable|InternalError|TypeError|not an object/;

interface Result {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function run(binary: string, args: readonly string[], input: Uint8Array, cwd: string, env: NodeJS.ProcessEnv) {
  return new Promise<Result>((done, fail) => {
    const argv = ["-m", "--propagation", "private", binary, ...args];
    const options = { cwd, env, encoding: "buffer", timeout: HANG_MS, killSignal: "SIGKILL" } as const;
    const child = execFile("/usr/bin/unshare", argv, options, (error, stdout, stderr) => {
      if (error?.killed) fail(new Error(`${args.join(" ")} does not end`));
      else done({ status: child.exitCode, stdout, stderr: stderr.toString() });
    });
    child.stdin?.on("error", () => {}); // a program that has read enough
    child.stdin?.end(input);
  });
}

/** What a daemon may send at `start`, damaged or not. */
function startInput(random: Random, options: Options): Uint8Array {
  const any = random.pick([
    packAny(Options, options),
    packAny(CheckpointOptions, { exit: true }),
    packAny(
      Options,
      randomMessage(random, Options as never, () => undefined),
    ),
    { typeUrl: random.pick(hostileStrings), value: random.bytes(30) },
  ]);
  const bootstrap = BootstrapParams.encode({
    ...randomMessage(random, BootstrapParams as never, () => undefined),
    instanceId: random.pick(["c0", "c0", "other", ""]),
    namespace: "fuzz",
    logLevel: random.pick([0, -4, 8]),
    socketDir: "",
    extensions: random.pick([[{ value: any }], [{ value: null }, { value: any }], []]),
  });
  const whole = random.pick([new Uint8Array(0), Any.encode(any), bootstrap]);
  return random.pick([
    whole,
    mutateBytes(random, whole),
    random.bytes(random.pick([1, 50, 5000])),
    joined(whole, whole),
  ]);
}

/** Now and then one more argument, in front of the command. */
function moreArguments(random: Random): string[] {
  if (random.chance(0.85)) return [];
  const value = random.pick(hostileStrings).split("\0").join("");
  return random.pick([
    ["-id", value],
    [`-id=${value}`],
    ["-namespace", value],
    [`--address=${value}`],
    [`-debug=${value}`],
    ["-publish-binary", value],
    [`-${value}`],
    [value],
    ["-debug"],
  ]);
}

/** Puts files into the bundle as a shim would have left them, and then some. */
function damage(random: Random, bundle: string, options: Options): void {
  const saved = { binary_name: options.binaryName, root: options.root, systemd_cgroup: false };
  const record = { sequence: 1, container: "c0", exec: "", pid: 2 ** 22, status: 7, at: 1.6e12 };
  const put = (name: string, make: () => Uint8Array | string) => {
    if (random.chance(0.2)) return;
    rmSync(join(bundle, name), { force: true });
    if (random.chance(0.02)) mkdirSync(join(bundle, name));
    else writeFileSync(join(bundle, name), make());
  };
  rmSync(bundle, { recursive: true, force: true });
  makeBundle(bundle, ociSpec({ args: ["true"] }));
  const json = (value: object) => () => (random.chance(0.5) ? JSON.stringify(value) : mutateJson(random, value));
  put("config.json", () => json(ociSpec({ args: ["true"], privatePids: random.chance(0.5) }))());
  put("options.json", json(saved));
  put("exit.json", json(record));
  put("address", () => random.pick(["unix:///none", "", "\0", random.bytes(40)]));
  put("runtime", () => random.pick([options.binaryName, "", "no-runtime", "a\0b"]));
  put("init.pid", () => random.pick([String(2 ** 22), "", "-1", "1e9", "99999999999999999999", "x", random.bytes(10)]));
}

export const shimCommandsOf = (build: (directory: string) => Promise<string>): Target => ({
  name: "shim-commands",
  inputs: 40,
  async run({ random, more }: Budget) {
    const top = mkdtempSync("/tmp/berth-fuzz-");
    try {
      const binary = await build(top);
      for (const name of ["bin", "s", "reports"]) mkdirSync(join(top, name), { mode: 0o700 });
      spawnSync("cp", [fakeRuntime, join(top, "bin/runc")]);
      const env = {
        PATH: join(top, "bin"),
        BERTH_SHIM_SOCKET_DIR: join(top, "s"),
        ...sanitizerEnvironment(join(top, "reports/sanitizer"), true),
      };
      const options = Options.create({ binaryName: join(top, "bin/runc"), root: join(top, "runc") });
      const bundle = join(top, "c0");
      const flags = ["-namespace", "fuzz", "-id", "c0", "-address", join(top, "d.sock"), "-publish-binary", "x"];
      let count = 0;
      for (; more(count); count++) {
        damage(random, bundle, options);
        const command = random.pick(["start", "delete", "delete", "info"]);
        const input = command === "delete" ? new Uint8Array(0) : startInput(random, options);
        const extra = moreArguments(random);
        const args = command === "info" ? ["-info", ...extra] : [...flags, "-bundle", bundle, ...extra, command];
        const { status, stdout, stderr } = await run(binary, args, input, bundle, env);
        const what = `${command} ${JSON.stringify(extra).slice(0, 200)}: status ${status}, ${stderr.slice(0, 2000)}`;
        assert.equal(reportsIn(join(top, "reports")), "", what);
        assert.ok(status === 0 || status === 1 || (status === 2 && extra.length > 0), what);
        assert.ok(!engineWords.test(stderr), `a sentence that nobody has written: ${what}`);
        if (status !== 0) {
          assert.equal(stdout.length, 0, what);
          assert.match(stderr, /containerd-shim-berth-v2: .+\n$/s, what);
        } else if (command === "delete") assert.ok(DeleteResponse.decode(stdout).exitStatus <= 255, what);
        else if (command === "info") assert.equal(RuntimeInfo.decode(stdout).name, "io.containerd.berth.v2");
        else await endShim(top, bundle, random.chance(0.5), what);
      }
      return count;
    } finally {
      for (const { pid } of processesNaming(top)) killNow(pid);
      rmSync(top, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  },
});

export const shimCommands = shimCommandsOf(buildShim);

/** A start that succeeded has left a shim, the only process of this name. It ends at once, or has to answer before. */
async function endShim(top: string, bundle: string, answers: boolean, what: string): Promise<void> {
  const shims = () => processesNaming(top).filter(({ command }) => command.includes("start"));
  assert.equal(shims().length, 1, `one shim: ${what}: ${JSON.stringify(shims())}`);
  if (answers) {
    const socket = connect(readFileSync(join(bundle, "address"), "utf8").replace("unix://", ""));
    await createClient(nodeByteStream(socket)).service(Task).connect({ id: "c0" }, { timeoutMs: HANG_MS });
    socket.destroy();
  }
  for (const { pid } of shims()) killNow(pid, "SIGTERM");
  await until(() => shims().length === 0, `the shim ends when it is told to: ${what}`);
  assert.deepEqual(readdirSync(join(top, "s")), [], "its socket goes with it");
}
