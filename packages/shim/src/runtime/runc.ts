// Drives an OCI runtime (runc, crun, youki: they share runc's command line). Never asks it for the state.
import { BerthError, messageOf, unknownError } from "@berth/base";
import {
  environ,
  exists,
  type Fd,
  findProgram,
  isCode,
  isProgram,
  readText,
  removeTree,
  run,
  SystemError,
  spawn,
  stat,
  unlink,
  writeFile,
} from "@berth/host";
import type { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import { cgroupMoveAhead } from "../cgroup/cgroup-moves.ts";
import { reasonOfSystem } from "../system-reason.ts";
import { deleteStopped } from "./delete-stopped.ts";
import { startByFifo } from "./exec-fifo.ts";
import { killError, outputOf, type RuntimeFailure, reasonOf, runtimeError } from "./runtime-error.ts";

export const DEFAULT_RUNTIME_ROOT = "/run/containerd/runc";

/** The ends of the container's stdio that the runtime passes on; null is /dev/null. */
export interface RuntimeStdio {
  readonly stdin: Fd | null;
  readonly stdout: Fd | null;
  readonly stderr: Fd | null;
}

export interface CreateRequest {
  readonly bundle: string;
  readonly pidFile: string;
  readonly stdio: RuntimeStdio;
  /** Path of a socket that is to receive the terminal; null for none. */
  readonly consoleSocket: string | null;
}

export interface ExecRequest extends CreateRequest {
  /** File with the OCI process. */
  readonly processFile: string;
  readonly logFile: string;
}

export interface Runc {
  create(request: CreateRequest): Promise<void>;
  restore(request: CreateRequest & { readonly imagePath: string; readonly workPath: string }): Promise<void>;
  /** `pid`: of the init that was created. */
  start(pid: number): Promise<void>;
  exec(request: ExecRequest): Promise<void>;
  kill(signal: number, all: boolean): Promise<void>;
  /** A container that is not there is fine. */
  delete(force: boolean): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  update(resources: Uint8Array): Promise<void>;
  checkpoint(request: { readonly imagePath: string; readonly options: CheckpointOptions | null }): Promise<void>;
}

export interface RuncConfig {
  readonly id: string;
  readonly namespace: string;
  readonly bundle: string;
  readonly logFile: string;
  readonly options: Options;
  /** What the runtime's name stood for when the container was made: it goes on with the same. Empty: not known. */
  readonly program: string;
}

/** Bytes of a log that are read. One that has half as many begins anew: a failure must not come to lie beyond. */
const MOST_LOG = 1 << 18;

/** What a run without a terminal or pipes of its own may take; the runtime is then killed. */
const PATIENCE_MS = 120_000;

/** The environment without what is meant for the daemon alone (systemd's readiness socket). */
export const runtimeEnvironment = (variables: readonly string[]): string[] =>
  variables.filter((variable) => !variable.startsWith("NOTIFY_SOCKET="));

const nameOf = ({ binaryName }: Options): string => (binaryName === "" ? "runc" : binaryName);

/** The path of the runtime, or its name where it cannot be found: to run it says why. */
export function programOf(options: Options): string {
  const name = nameOf(options);
  return (name.includes("/") ? null : findProgram(name)) ?? name;
}

export function createRunc(config: RuncConfig): Runc {
  const { id, options, bundle } = config;
  const binary = nameOf(options);
  const root = `${options.root === "" ? DEFAULT_RUNTIME_ROOT : options.root}/${config.namespace}`;

  const program = isProgram(config.program) ? config.program : programOf(options);
  const argvOf = (logFile: string, args: readonly string[]): string[] => {
    const head = [program, "--root", root, "--log", logFile, "--log-format", "json"];
    return options.systemdCgroup ? [...head, "--systemd-cgroup", ...args] : [...head, ...args];
  };
  const base = () => ({ env: runtimeEnvironment(environ()), cwd: bundle, parentDeathSignal: 9 });

  /** Length of the log before a command. */
  const logLength = (logFile: string): number => {
    if ((stat(logFile)?.size ?? 0) < MOST_LOG / 2) return logSince(logFile, 0).length;
    writeFile(logFile, "");
    return 0;
  };

  /** Text of the log since a length, so that an older failure is not taken for this one. */
  const logSince = (logFile: string, from: number): string => {
    try {
      const text = readText(logFile, MOST_LOG);
      // Shorter: another command had it begin anew.
      return text.length < from ? text : text.slice(from);
    } catch (error) {
      if (isCode(error, "ENOENT")) return "";
      // A line as the runtime would have written it: its failure is told with the reason why no more of it is known.
      return JSON.stringify({ level: "error", msg: `its log cannot be read: ${messageOf(error)}` });
    }
  };

  /** Runs with the container's stdio; throws the runtime's reason as a plain error. */
  const withStdio = async (logFile: string, stdio: RuntimeStdio, args: readonly string[]): Promise<void> => {
    const before = logLength(logFile);
    using _ahead = cgroupMoveAhead();
    const child = launch(() =>
      spawn({ ...base(), argv: argvOf(logFile, args), stdin: stdio.stdin, stdout: stdio.stdout, stderr: stdio.stderr }),
    );
    const { status } = await child.exited;
    if (status !== 0) throw new Error(reasonOf({ binary, status, log: logSince(logFile, before), stderr: "" }));
  };

  const plain = async (args: readonly string[], input?: Uint8Array): Promise<void> => {
    const failure = await attempt(args, input);
    if (failure !== null) throw new Error(reasonOf(failure));
  };

  /** null where it went well. */
  const attempt = async (args: readonly string[], input?: Uint8Array): Promise<RuntimeFailure | null> => {
    const before = logLength(config.logFile);
    const result = await launch(() =>
      run({
        ...base(),
        argv: argvOf(config.logFile, args),
        captureLimit: 65_536,
        timeoutMs: PATIENCE_MS,
        ...(input ? { input } : {}),
      }),
    );
    if (result.timedOut) throw new Error(`${binary} ${args[0]} did not end within ${PATIENCE_MS / 1000} s`);
    if (result.status === 0) return null;
    const stderr = new TextDecoder().decode(result.stderr);
    return { binary, status: result.status, log: logSince(config.logFile, before), stderr };
  };

  /** A missing or unusable binary, in Go's words and containerd's: dockerd and clients look for them. */
  const launch = <T>(start: () => T): T => {
    try {
      return start();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const reason =
        error.code === "ENOENT" && !binary.includes("/")
          ? `exec: ${JSON.stringify(binary)}: executable file not found in $PATH`
          : `fork/exec ${binary}: ${reasonOfSystem(error)}`;
      if (exists(config.logFile)) throw new Error(reason, { cause: error });
      const noLog = `open ${config.logFile}: no such file or directory`;
      throw new Error(`unable to retrieve OCI runtime error (${noLog}): ${reason}`, { cause: error });
    }
  };

  const named = async (what: string, work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      throw error instanceof BerthError ? error : runtimeError(what, messageOf(error));
    }
  };

  const creation = (request: CreateRequest): string[] => {
    const args = ["--bundle", request.bundle, "--pid-file", request.pidFile];
    if (request.consoleSocket !== null) args.push("--console-socket", request.consoleSocket);
    if (options.noPivotRoot) args.push("--no-pivot");
    if (options.noNewKeyring) args.push("--no-new-keyring");
    return args;
  };

  return {
    create: (request) =>
      named(
        "OCI runtime create failed",
        withStdio(config.logFile, request.stdio, ["create", ...creation(request), id]),
      ),
    restore: (request) =>
      named(
        "OCI runtime restore failed",
        withStdio(config.logFile, request.stdio, [
          "restore",
          "--image-path",
          request.imagePath,
          "--work-path",
          request.workPath,
          "--detach",
          "--no-subreaper",
          ...creation(request),
          id,
        ]),
      ),
    start: (pid) =>
      named(
        "OCI runtime start failed",
        startByFifo(`${root}/${id}`, pid).then((isStarted) => (isStarted ? undefined : plain(["start", id]))),
      ),
    async exec(request) {
      const args = ["exec", "--process", request.processFile, "--detach", "--pid-file", request.pidFile];
      if (request.consoleSocket !== null) args.push("--console-socket", request.consoleSocket);
      try {
        await named("OCI runtime exec failed", withStdio(request.logFile, request.stdio, [...args, id]));
      } finally {
        unlink(request.logFile, { force: true });
      }
    },
    async kill(signal, all) {
      try {
        await plain(["kill", ...(all ? ["--all"] : []), id, String(signal)]);
      } catch (error) {
        throw killError(messageOf(error));
      }
    },
    async delete(force) {
      if (!force && deleteStopped(`${root}/${id}`)) return;
      try {
        await plain(["delete", ...(force ? ["--force"] : []), id]);
      } catch (error) {
        if (messageOf(error).includes("does not exist")) return;
        throw runtimeError("failed to delete task", messageOf(error));
      }
    },
    pause: () => named("OCI runtime pause failed", plain(["pause", id])),
    resume: () => named("OCI runtime resume failed", plain(["resume", id])),
    async update(resources) {
      const failure = await attempt(["update", "--resources=-", id], resources);
      if (failure !== null) throw unknownError(`${outputOf(failure)}: unknown`);
    },
    async checkpoint({ imagePath, options: wanted }) {
      const args = ["checkpoint", "--image-path", imagePath];
      const work = wanted?.workPath ? wanted.workPath : `${bundle}/criu-work`;
      args.push("--work-path", work);
      if (!wanted?.exit) args.push("--leave-running");
      if (wanted?.openTcp) args.push("--tcp-established");
      if (wanted?.externalUnixSockets) args.push("--ext-unix-sk");
      if (wanted?.terminal) args.push("--shell-job");
      if (wanted?.fileLocks) args.push("--file-locks");
      if (wanted?.cgroupsMode) args.push("--manage-cgroups-mode", wanted.cgroupsMode);
      if (wanted?.parentPath) args.push("--parent-path", wanted.parentPath);
      for (const namespace of wanted?.emptyNamespaces ?? []) args.push("--empty-ns", namespace);
      try {
        const failure = await attempt([...args, id]);
        if (failure === null) return;
        // The reason is in criu's log: it stays where containerd's shim leaves it.
        const log = `${bundle}/criu-dump.log`;
        if (exists(`${work}/dump.log`)) writeFile(log, readText(`${work}/dump.log`, 16 << 20), { mode: 0o600 });
        throw unknownError(`${outputOf(failure).split("\n")[0]} path= ${log}: unknown`);
      } finally {
        if (!wanted?.workPath) removeTree(work);
      }
    },
  };
}
