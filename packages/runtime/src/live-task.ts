// A task, as long as it has a shim: each method is an RPC with a deadline, and what a stuck shim does not do.
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { BerthError, isNotFound, kindOf, messageOf, notFound, unavailable } from "@berth/base";
import { type Helper, identityOf, isAlive, type ProcessIdentity } from "@berth/helper";
import type { Any } from "@berth/proto/google/protobuf";
import type { Attendance } from "./attendance.ts";
import { type Bundle, ownCheckpoint, removeDirectory } from "./bundle.ts";
import { unlessAborted, within } from "./deadline.ts";
import { type Journal, writeJournal } from "./journal.ts";
import type { Timeouts } from "./options.ts";
import type { TaskClient } from "./shim-connection.ts";
import { asContainerdSays, isSilence, noTask } from "./shim-error.ts";
import type { ShimLink } from "./shim-link.ts";
import type { ShimLog } from "./shim-log.ts";
import { stopTask } from "./stop-task.ts";
import { advance, exitIn, type TaskLife } from "./task-life.ts";
import type { ExecOptions, Exit, ProcessState, StopTask, Task } from "./types.ts";
import { toExit, toProcessState } from "./wire.ts";

export interface LiveTaskOptions {
  readonly bundle: Bundle;
  readonly journal: Journal;
  readonly link: ShimLink;
  readonly shimLog: ShimLog;
  readonly timeouts: Timeouts;
  /** The shim has left a question unanswered already. */
  readonly silent: boolean;
  readonly life: TaskLife;
  readonly signalProcess: Helper["signal"];
  readonly attend: (task: LiveTask) => Attendance;
  /** Ends a container whose shim does not answer, by force. */
  escalate(task: LiveTask): Promise<Exit>;
  /** Its shim lives and has it no more: an earlier supervisor had asked for its delete, which went on. */
  forgotten(task: LiveTask): void;
}

const SIGKILL = 9;
/** How long a shim that has left a question unanswered is waited for, each time. */
const SILENT_MS = 50;

type RunCall<T> = (task: TaskClient, options: { namespace: string; timeoutMs?: number }) => Promise<T>;

export class LiveTask implements Task {
  readonly namespace: string;
  readonly id: string;
  readonly bundle: string;
  readonly shim: string;
  readonly directories: Bundle;
  readonly link: ShimLink;
  readonly shimLog: ShimLog;
  readonly attendance: Attendance;
  /** Resolves with init's exit when the task has gone. */
  readonly lost: Promise<Exit>;
  readonly #resolveLost: (exit: Exit) => void;
  #life: TaskLife;
  /** The shim has left a question unanswered, and nothing was heard of it since. */
  #silent: boolean;
  #journal: Journal;
  readonly #timeouts: Timeouts;
  readonly #signalProcess: Helper["signal"];
  readonly #escalate: (task: LiveTask) => Promise<Exit>;
  readonly #forgotten: (task: LiveTask) => void;
  /** Calls under way that a second caller joins, by what they ask. */
  readonly #flights = new Map<string, Promise<unknown>>();
  /** Of execs that were started through us: where to send a signal when the shim is stuck. */
  readonly #execs = new Map<string, ProcessIdentity>();

  constructor(options: LiveTaskOptions) {
    const { bundle, journal, link, shimLog, timeouts, silent, life, signalProcess, attend, escalate, forgotten } =
      options;
    this.namespace = bundle.namespace;
    this.id = bundle.id;
    this.bundle = bundle.path;
    this.shim = journal.shim;
    this.directories = bundle;
    this.link = link;
    this.shimLog = shimLog;
    this.#life = life;
    const lost = Promise.withResolvers<Exit>();
    this.lost = lost.promise;
    this.#resolveLost = lost.resolve;
    this.#journal = journal;
    this.#timeouts = timeouts;
    this.#silent = silent;
    this.#signalProcess = signalProcess;
    this.#escalate = escalate;
    this.#forgotten = forgotten;
    this.attendance = attend(this);
  }

  get pid(): number {
    return this.#journal.init?.pid ?? this.#journal.exit?.pid ?? 0;
  }

  get shimPid(): number {
    return this.#journal.shimProcess?.pid ?? 0;
  }

  get journal(): Journal {
    return this.#journal;
  }

  /** Notes something on disk, unless the bundle is on its way out. */
  record(change: Partial<Journal>): void {
    this.#journal = { ...this.#journal, ...change };
    if (!this.#isOver) writeJournal(this.bundle, this.#journal);
  }

  get life(): TaskLife {
    return this.#life;
  }

  /** From `gone` on no call is made, and waits are answered with the exit; from `left` on the task goes on without us. */
  advance(to: TaskLife): void {
    this.#life = advance(this.#life, to);
    if (to.at === "left") this.attendance.close();
    if (to.at !== "gone") return;
    this.attendance.end();
    this.#resolveLost(to.exit);
  }

  get #isOver(): boolean {
    return this.#life.at === "gone" || this.#life.at === "left";
  }

  get hasEnded(): boolean {
    return exitIn(this.#life) !== null;
  }

  get ranOutOfMemory(): boolean {
    return this.#journal.outOfMemory;
  }

  async state(execId: string): Promise<ProcessState> {
    const answer = await this.#polled(`state/${execId}`, (task, options) =>
      task.state({ id: this.id, execId }, options),
    ).catch((error: unknown) => {
      // A shim that has ended has no processes: containerd answers so as well.
      if (this.link.over) throw this.#notFound(execId);
      if (execId === "" && isNotFound(error) && this.initIsDead) this.#forgotten(this);
      throw error;
    });
    return toProcessState(answer, execId || this.id);
  }

  async start(execId: string): Promise<number> {
    const { pid } = await this.#call(this.#timeouts.create, (task, options) =>
      task.start({ id: this.id, execId }, options),
    );
    const identity = identityOf(pid);
    // Read by now: the runtime reads it at Start, not at Create. What cannot be removed goes with the task.
    if (execId === "") removeDirectory(ownCheckpoint(this.directories)).catch(() => undefined);
    // A restored container has no init before it is started.
    if (execId === "" && this.pid === 0) this.record({ init: identity });
    else if (execId !== "" && identity !== null) this.#execs.set(execId, identity);
    return pid;
  }

  /** `patienceMs`: how long the shim has for it. */
  async kill(execId: string, signal: number, all: boolean, patienceMs = this.#patience): Promise<void> {
    await this.#joined(`kill/${execId}/${signal}/${all}`, async () => {
      try {
        await this.#call(patienceMs, (task, options) => task.kill({ id: this.id, execId, signal, all }, options));
      } catch (error) {
        if (!isSilence(error) || this.link.over) throw error;
        this.#silent = true;
        await this.#killWithoutShim(execId, signal, error as BerthError);
      }
    });
  }

  get #patience(): number {
    return this.#silent ? this.#timeouts.state : this.#timeouts.call;
  }

  async stop(options: StopTask, signal: AbortSignal): Promise<Exit> {
    const { kill: patienceMs } = this.#timeouts;
    return await stopTask(this, { ...options, patienceMs, escalate: this.#escalate }, signal);
  }

  async #killWithoutShim(execId: string, signal: number, error: BerthError): Promise<void> {
    if (execId === "" && signal === SIGKILL) {
      await this.#escalate(this);
      return;
    }
    const target = execId === "" ? this.#journal.init : this.#execs.get(execId);
    if (target == null || !(await this.#signalProcess(target, signal))) throw error;
  }

  async exec(options: ExecOptions): Promise<void> {
    const { execId, terminal, stdin, stdout, stderr, spec, client } = options;
    const isAttended = client !== null && this.attendance.begin(execId, client);
    try {
      await this.#call(this.#timeouts.call, (task, callOptions) =>
        task.exec({ id: this.id, execId, terminal, stdin, stdout, stderr, spec }, callOptions),
      );
    } catch (error) {
      // One that was made although its answer was lost is deleted with the next look.
      if (isAttended && !isSilence(error)) this.attendance.forget(execId);
      throw error;
    }
  }

  wait(execId: string, signal: AbortSignal): Promise<Exit> {
    // One Wait for each process, however many wait for it.
    const exit = this.#joined(`wait/${execId}`, () => this.#waited(execId));
    return unlessAborted(exit, signal);
  }

  async #waited(execId: string): Promise<Exit> {
    const answer = this.#call(null, (task, options) => task.wait({ id: this.id, execId }, options), true).then(toExit);
    // While the connection is lost, what happened is being found out: the answer is `lost`, not the break.
    const lost = this.lost.then((exit) => (execId === "" ? exit : { ...exit, status: this.#lostExecStatus }));
    const orLost = answer.catch((error: unknown) => (this.link.over && !this.#isOver ? lost : Promise.reject(error)));
    const answered = await Promise.race([orLost, lost]);
    const exit = { ...answered, pid: this.#pidOf(execId) || answered.pid };
    if (execId === "" && this.#life.at === "alive") this.advance({ at: "ended", exit });
    return exit;
  }

  get #lostExecStatus(): number {
    return this.#life.at === "gone" ? this.#life.execStatus : 0;
  }

  #pidOf(execId: string): number {
    return execId === "" ? this.pid : (this.#execs.get(execId)?.pid ?? 0);
  }

  async deleteExec(execId: string): Promise<Exit> {
    const answer = await this.#delete(execId);
    this.#execs.delete(execId);
    this.attendance.forget(execId);
    return toExit(answer);
  }

  /** Task.Delete of init. */
  async deleteInit(): Promise<Exit> {
    return toExit(await this.#delete(""));
  }

  #delete(execId: string) {
    return this.#call(this.#timeouts.delete, (task, options) => task.delete({ id: this.id, execId }, options));
  }

  /** Asks the shim to end, which it does unless it keeps other containers. */
  async shutdown(): Promise<void> {
    await this.#call(this.#timeouts.shutdown, (task, options) => task.shutdown({ id: this.id, now: false }, options));
  }

  async resizePty(execId: string, width: number, height: number): Promise<void> {
    await this.#call(this.#timeouts.call, (task, options) =>
      task.resizePty({ id: this.id, execId, width, height }, options),
    );
  }

  async closeIO(execId: string, stdin: boolean): Promise<void> {
    await this.#call(this.#timeouts.call, (task, options) =>
      task.closeIO({ id: this.id, execId, stdin }, options).catch((error: unknown) => {
        // containerd's shim 1.6 says so without the code.
        if (!messageOf(error).endsWith(": not found")) throw error;
        throw new BerthError("not-found", messageOf(error), { cause: error });
      }),
    );
  }

  async pause(): Promise<void> {
    await this.#call(this.#timeouts.call, (task, options) => task.pause({ id: this.id }, options));
  }

  async resume(): Promise<void> {
    await this.#call(this.#timeouts.call, (task, options) => task.resume({ id: this.id }, options));
  }

  async pids(): Promise<{ pid: number; info: Any | null }[]> {
    const { processes } = await this.#joined("pids", () =>
      this.#call(this.#timeouts.call, (task, options) => task.pids({ id: this.id }, options)),
    );
    return processes.map(({ pid, info }) => ({ pid, info }));
  }

  async stats(): Promise<Any | null> {
    const { stats } = await this.#polled("stats", (task, options) => task.stats({ id: this.id }, options));
    return stats;
  }

  async update(resources: Any | null, annotations: Readonly<Record<string, string>>): Promise<void> {
    await this.#call(this.#timeouts.call, (task, options) =>
      task.update({ id: this.id, resources, annotations }, options),
    );
  }

  async checkpoint(path: string, options: Any | null): Promise<void> {
    // Writing a large process's memory takes as long as it takes to make one.
    await this.#call(this.#timeouts.create, (task, callOptions) =>
      task.checkpoint({ id: this.id, path, options }, callOptions),
    );
  }

  async scratch(): Promise<{ readonly path: string } & AsyncDisposable> {
    const path = await mkdtemp(join(this.directories.work, "scratch-"));
    return { path, [Symbol.asyncDispose]: () => removeDirectory(path) };
  }

  /** Execs that were started through us and not deleted, with their pids. */
  get execs(): ReadonlyMap<string, ProcessIdentity> {
    return this.#execs;
  }

  /** Whether init has certainly ended. */
  get initIsDead(): boolean {
    const { init } = this.#journal;
    return this.hasEnded || (init !== null && !isAlive(init));
  }

  /**
   * What everybody asks again and again. The question stays with the shim for longer than anybody waits for the answer,
   * so that one that was stopped is heard as soon as it goes on.
   */
  async #polled<T>(what: string, run: RunCall<T>): Promise<T> {
    const flight = this.#joined(what, async () => {
      const answer = await this.#call(this.#timeouts.call, run, true);
      this.#silent = false;
      return answer;
    });
    const patience = this.#silent ? Math.min(SILENT_MS, this.#timeouts.state) : this.#timeouts.state;
    try {
      return await within(flight, patience, `the answer of the shim of container ${JSON.stringify(this.id)}`);
    } catch (error) {
      if (kindOf(error) === "deadline-exceeded") this.#silent = true;
      throw error;
    }
  }

  async #call<T>(timeoutMs: number | null, run: RunCall<T>, again = false): Promise<T> {
    if (this.#isOver) throw this.#notFound("");
    const options = { namespace: this.namespace, ...(timeoutMs !== null && { timeoutMs }) };
    try {
      return await this.link.call((task) => run(task, options), { again });
    } catch (error) {
      if (!this.link.over || kindOf(error) !== "unavailable") throw asContainerdSays(error);
      throw unavailable(`the shim of container ${JSON.stringify(this.id)} has ended`, { cause: error });
    }
  }

  #notFound(execId: string) {
    return execId === "" ? noTask(this.id) : notFound("process", execId);
  }

  #joined<T>(what: string, start: () => Promise<T>): Promise<T> {
    const under = this.#flights.get(what) as Promise<T> | undefined;
    if (under !== undefined) return under;
    const flight = start().finally(() => this.#flights.delete(what));
    this.#flights.set(what, flight);
    return flight;
  }
}
