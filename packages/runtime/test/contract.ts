// What every runtime promises to those who are built on it, whether its containers are processes or records: the real one
// first.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isNotFound, kindOf } from "@berth/base";
import { topics, unpackAny } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import type { CreateTask, ExecOptions, Runtime, Task, TaskExited } from "../src/index.ts";

/** A runtime, and a way to make its processes end. */
export interface Subject extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly namespace: string;
  /** A container whose first process runs until it is told to end. */
  container(id: string): CreateTask;
  /** The same of an exec. */
  exec(id: string, execId: string): ExecOptions;
  /** Tells a process to end with a status; the first one where the exec id is empty. */
  end(id: string, execId: string, status: number): void;
}

const never = new AbortController().signal;
const isUnknown = (error: unknown): boolean => kindOf(error) === "unknown";

export function runtimeContract(name: string, open: () => Promise<Subject>, skip: string | false = false): void {
  const create = (subject: Subject, id: string): Promise<Task> =>
    subject.runtime.tasks.create(subject.namespace, subject.container(id));

  describe(`the contract of a runtime: ${name}`, { skip, concurrency: false }, () => {
    it("has no task of a container for which none was made", async () => {
      await using subject = await open();
      const { runtime, namespace } = subject;
      assert.equal(await runtime.tasks.find(namespace, "a"), null);
      assert.equal(runtime.tasks.known(namespace, "a"), null);
      await assert.rejects(runtime.tasks.get(namespace, "a"), isNotFound);
      await assert.rejects(runtime.tasks.delete(namespace, "a"), isNotFound);
      assert.equal(await runtime.tasks.abandon(namespace, "a"), false);
      assert.deepEqual(await runtime.tasks.list(namespace), { tasks: [], undecided: [] });
    });

    it("takes a task from its making to its delete", async () => {
      await using subject = await open();
      const { runtime, namespace } = subject;
      const task = await create(subject, "a");
      assert.ok(task.pid > 0);
      assert.equal((await task.state("")).status, "created");
      assert.equal(await runtime.tasks.find(namespace, "a"), task);
      assert.equal(runtime.tasks.known(namespace, "a"), task);
      assert.deepEqual((await runtime.tasks.list(namespace)).tasks, [task]);
      assert.deepEqual((await runtime.tasks.list("another")).tasks, []);
      assert.equal(await task.start(""), task.pid);
      const { status, pid, id, bundle } = await task.state("");
      assert.deepEqual([status, pid, id, bundle], ["running", task.pid, "a", task.bundle]);
      assert.ok((await task.pids()).some((one) => one.pid === task.pid));
      assert.equal(task.hasEnded, false);
      const waiting = task.wait("", never);
      subject.end("a", "", 7);
      const exit = await waiting;
      assert.deepEqual([exit.pid, exit.status, exit.at > 0n], [task.pid, 7, true]);
      assert.equal(task.hasEnded, true);
      const stopped = await task.state("");
      assert.deepEqual([stopped.status, stopped.exitStatus, stopped.exitedAt], ["stopped", 7, exit.at]);
      const deleted = await runtime.tasks.delete(namespace, "a");
      assert.deepEqual([deleted.pid, deleted.status], [task.pid, 7]);
      assert.equal(await runtime.tasks.find(namespace, "a"), null);
    });

    it("tells each exit once, after its event", async () => {
      await using subject = await open();
      const { runtime, namespace } = subject;
      const order: string[] = [];
      const stop = new AbortController();
      const told = Promise.withResolvers<void>();
      using _listening = runtime.onExit(({ id, execId }: TaskExited) => {
        order.push(`told ${id}/${execId}`);
        if (execId === "") told.resolve();
      });
      const reading = (async () => {
        for await (const { topic, event } of runtime.events.subscribe([`topic=="${topics.taskExit}"`], stop.signal)) {
          assert.equal(topic, topics.taskExit);
          const { containerId, id, exitStatus } = unpackAny(TaskExit, event) ?? assert.fail("no exit");
          order.push(`event ${containerId}/${id} ${exitStatus}`);
        }
      })();
      const task = await create(subject, "a");
      await task.start("");
      await task.exec(subject.exec("a", "e"));
      await task.start("e");
      subject.end("a", "e", 3);
      await task.wait("e", never);
      await task.deleteExec("e");
      subject.end("a", "", 0);
      await task.wait("", never);
      await runtime.tasks.delete(namespace, "a");
      await told.promise;
      stop.abort();
      await reading;
      assert.deepEqual(
        order.filter((line) => line.startsWith("event")),
        ["event a/e 3", "event a/a 0"],
      );
      assert.deepEqual(
        order.filter((line) => line.startsWith("told")),
        ["told a/e", "told a/"],
      );
    });

    it("refuses a second task of a container, and has one again after its delete", async () => {
      await using subject = await open();
      const { runtime, namespace } = subject;
      const first = await create(subject, "a");
      await assert.rejects(create(subject, "a"), (error) => kindOf(error) === "already-exists");
      await first.kill("", 9, true);
      await first.wait("", never);
      await runtime.tasks.delete(namespace, "a");
      const second = await create(subject, "a");
      assert.notEqual(second, first);
      assert.equal((await second.state("")).status, "created");
    });

    it("refuses what a state does not allow", async () => {
      await using subject = await open();
      const { runtime, namespace } = subject;
      const task = await create(subject, "a");
      await assert.rejects(task.pause(), isUnknown);
      await task.start("");
      await assert.rejects(task.start(""), isUnknown);
      await assert.rejects(task.resume(), isUnknown);
      await assert.rejects(runtime.tasks.delete(namespace, "a"), isUnknown);
      assert.equal(await runtime.tasks.find(namespace, "a"), task);
      subject.end("a", "", 0);
      await task.wait("", never);
      await assert.rejects(task.start(""), isUnknown);
      await assert.rejects(task.kill("", 15, false), isNotFound);
      await assert.rejects(task.exec(subject.exec("a", "late")), isUnknown);
    });

    it("deletes a task that was never started", async () => {
      await using subject = await open();
      const task = await create(subject, "a");
      assert.equal((await subject.runtime.tasks.delete(subject.namespace, "a")).pid, task.pid);
      assert.equal(await subject.runtime.tasks.find(subject.namespace, "a"), null);
    });

    it("tells everybody who waits, and lets a waiter go", async () => {
      await using subject = await open();
      const task = await create(subject, "a");
      const impatient = new AbortController();
      const waiters = [task.wait("", never), task.wait("", never)];
      const leaving = task.wait("", impatient.signal);
      impatient.abort();
      await assert.rejects(leaving);
      await task.start("");
      subject.end("a", "", 5);
      assert.deepEqual(
        (await Promise.all(waiters)).map(({ status }) => status),
        [5, 5],
      );
      assert.equal((await task.wait("", never)).status, 5);
    });

    it("pauses and resumes", async () => {
      await using subject = await open();
      const task = await create(subject, "a");
      await task.start("");
      await task.pause();
      assert.equal((await task.state("")).status, "paused");
      await assert.rejects(subject.runtime.tasks.delete(subject.namespace, "a"), isUnknown);
      await task.resume();
      assert.equal((await task.state("")).status, "running");
    });

    it("has execs, each with a life of its own", async () => {
      await using subject = await open();
      const task = await create(subject, "a");
      await task.start("");
      await assert.rejects(task.state("e"), isNotFound);
      await assert.rejects(task.start("e"), isNotFound);
      await task.exec(subject.exec("a", "e"));
      await assert.rejects(task.exec(subject.exec("a", "e")), (error) => kindOf(error) === "already-exists");
      assert.deepEqual([(await task.state("e")).status, (await task.state("e")).id], ["created", "e"]);
      const pid = await task.start("e");
      assert.notEqual(pid, task.pid);
      assert.deepEqual([(await task.state("e")).status, (await task.state("e")).pid], ["running", pid]);
      await assert.rejects(task.deleteExec("e"), isUnknown);
      subject.end("a", "e", 9);
      assert.equal((await task.wait("e", never)).status, 9);
      assert.equal((await task.deleteExec("e")).status, 9);
      await assert.rejects(task.state("e"), isNotFound);
      assert.equal((await task.state("")).status, "running");
    });

    it("ends execs with the first process, and at a kill", async () => {
      await using subject = await open();
      const task = await create(subject, "a");
      await task.start("");
      for (const execId of ["e", "f"]) {
        await task.exec(subject.exec("a", execId));
        await task.start(execId);
      }
      await task.kill("e", 9, false);
      assert.equal((await task.wait("e", never)).status, 137);
      assert.equal((await task.state("")).status, "running");
      const last = task.wait("f", never);
      await task.kill("", 9, true);
      assert.equal((await task.wait("", never)).status, 137);
      assert.equal((await last).status, 137);
    });

    it("stops a process that does not end by itself, after its grace", async () => {
      await using subject = await open();
      const task = await create(subject, "a");
      await task.start("");
      const exit = await task.stop({ signal: 10, graceMs: 50 }, never);
      assert.deepEqual([exit.pid, exit.status], [task.pid, 137]);
      assert.deepEqual(await task.stop({ signal: 15, graceMs: 10_000 }, never), exit);
    });
  });
}
