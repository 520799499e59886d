// A shim with sanitizers as a live process, alone in a mount namespace, on a stand-in for a runtime.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { join, resolve } from "node:path";
import { packAny } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Task } from "@berth/proto/containerd/task/v2";
import { Any } from "@berth/proto/google/protobuf";
import type { Client } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { buildProgram, type Variant } from "../../packages/host/build.ts";
import { alive, reader, until } from "../shim/harness.ts";
import { makeBundle, ociSpec } from "../support/bundle.ts";
import { processesNaming } from "../support/leftovers.ts";
import { descendantsOf, killNow, killThose } from "../support/processes.ts";

const entry = resolve(import.meta.dirname, "../../packages/shim/src/main.ts");
const ANSWER_MS = 10_000;

export const fakeRuntime = join(import.meta.dirname, "fake-runtime.sh");
export const NAMESPACE = "fuzz";

/** What else a program is built of. */
export interface More {
  /** The path of a module that is evaluated after the program's own. */
  readonly module: string;
  readonly c?: readonly string[];
}

/** The shim, built into a directory of its own. */
export function buildShim(outDir: string, variant: Variant = "asan", more: More | null = null): Promise<string> {
  const modules = more === null ? [entry] : [entry, more.module];
  const main = join(outDir, "main.ts");
  const lines = modules
    .map((path) => JSON.stringify(path))
    .flatMap((path) => [`import ${path};`, `export * from ${path};`]);
  writeFileSync(main, lines.join("\n"));
  const name = "containerd-shim-berth-v2";
  return buildProgram({ entry: main, name, outDir, variant, keepWhole: modules, moreC: more?.c ?? [] });
}

export interface Connection {
  readonly socket: Socket;
  readonly task: Client<typeof Task>;
}

export interface LiveShim extends AsyncDisposable {
  readonly top: string;
  readonly binary: string;
  readonly bundle: string;
  /** Path of its socket. */
  readonly path: string;
  readonly pid: number;
  connect(): Promise<Connection>;
  /** Fails unless it lives, answers on a new connection, and has reported nothing. */
  check(): Promise<void>;
  /** Descriptors that it holds. */
  descriptors(): string[];
  /** Resident memory in KiB. */
  resident(): number;
  /** What it has logged. */
  log(): string;
  /** What the sanitizers have reported. */
  reports(): string;
  /** Asks it to end; fails where it does not, or where something has leaked. */
  end(): Promise<void>;
}

/** Environment under which the sanitizers write reports of a name that starts with `path`. */
export const sanitizerEnvironment = (path: string, leaks: boolean): Record<string, string> => ({
  ASAN_OPTIONS: `log_path=${path}:detect_leaks=${leaks ? 1 : 0}:quarantine_size_mb=4:malloc_context_size=12`,
  UBSAN_OPTIONS: `log_path=${path}:print_stacktrace=1`,
});

/** What sanitizers have reported into the directory. */
export function reportsIn(directory: string): string {
  return readdirSync(directory)
    .filter((name) => name.startsWith("sanitizer"))
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .join("\n");
}

/** `events` is the path of a socket that takes its events; empty: nobody does. */
export async function startShim(variant: Variant = "asan", more: More | null = null, events = ""): Promise<LiveShim> {
  const top = mkdtempSync("/tmp/berth-fuzz-");
  chmodSync(top, 0o711);
  const binary = await buildShim(top, variant, more);
  const runtime = join(top, "runtime");
  copyFileSync(fakeRuntime, runtime);
  // Options that do not name a runtime mean runc: no real one may be found.
  mkdirSync(join(top, "bin"));
  copyFileSync(fakeRuntime, join(top, "bin/runc"));
  const bundle = makeBundle(join(top, "bundle"), ociSpec({ args: ["true"] }));
  const sockets = join(top, "s");
  mkdirSync(sockets, { mode: 0o700 });
  mkdirSync(join(top, "reports"));
  assert.equal(spawnSync("mkfifo", [join(bundle, "log")]).status, 0);
  const log = reader(join(bundle, "log"));
  const env = {
    ...process.env,
    PATH: join(top, "bin"),
    BERTH_SHIM_SOCKET_DIR: sockets,
    TTRPC_ADDRESS: events,
    ...sanitizerEnvironment(join(top, "reports/sanitizer"), true),
  };
  const flags = ["-namespace", NAMESPACE, "-id", "c0", "-address", "", "-publish-binary", "/bin/false"];
  const input = Any.encode(packAny(Options, { binaryName: runtime, root: join(top, "runc") }));
  const private_ = ["-m", "--propagation", "private", binary];
  const started = spawnSync("/usr/bin/unshare", [...private_, ...flags, "start"], {
    cwd: bundle,
    env,
    input,
    timeout: 20_000,
  });
  assert.equal(started.status, 0, started.stderr.toString() + reportsIn(join(top, "reports")));
  const path = started.stdout.toString().replace("unix://", "");

  const open = new Set<Socket>();
  const connectNow = async (): Promise<Connection> => {
    const socket = connect(path);
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    await new Promise<void>((done, fail) => socket.once("connect", done).once("error", fail));
    return { socket, task: createClient(nodeByteStream(socket)).service(Task) };
  };
  const first = await connectNow();
  const { shimPid: pid } = await first.task.connect({ id: "c0" }, { timeoutMs: ANSWER_MS });
  first.socket.destroy();

  const check = async (): Promise<void> => {
    const reports = reportsIn(join(top, "reports"));
    assert.equal(reports, "", "the sanitizers have nothing to report");
    assert.ok(alive(pid), `the shim lives; it has logged:\n${log.text().slice(-4000)}`);
    const { socket, task } = await connectNow();
    const answer = await task.connect({ id: "c0" }, { timeoutMs: ANSWER_MS });
    socket.destroy();
    assert.equal(answer.shimPid, pid);
    const broken = log
      .text()
      .split("\n")
      .filter((line) => line.includes("a task failed unexpectedly"));
    assert.deepEqual(broken, [], "no error of its own code got away");
  };
  const clean = async () => {
    for (const socket of open) socket.destroy();
    killThose(descendantsOf(pid));
    killNow(pid);
    log.close();
    for (const each of processesNaming(top)) killNow(each.pid);
    rmSync(top, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  return {
    top,
    binary,
    bundle,
    path,
    pid,
    connect: connectNow,
    check,
    descriptors: () => readdirSync(`/proc/${pid}/fd`),
    resident: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
    log: log.text,
    reports: () => reportsIn(join(top, "reports")),
    async end() {
      await check();
      for (const socket of open) socket.destroy();
      process.kill(pid, "SIGTERM");
      await until(() => !alive(pid));
      assert.equal(reportsIn(join(top, "reports")), "", "nothing has leaked");
    },
    [Symbol.asyncDispose]: clean,
  };
}
