// How to bring a process into each state, and each call that may be made there.
import type { Box } from "./box.ts";
import type { World } from "./world.ts";

type Bring = (box: Box) => Promise<unknown>;
type Calls = Readonly<Record<string, (box: Box, w: World) => Promise<unknown>>>;

export const initStates: Readonly<Record<string, Bring>> = {
  none: async () => {},
  created: (box) => box.create(),
  running: (box) => box.up(),
  async paused(box) {
    await box.up();
    await box.pause();
  },
  async stopped(box) {
    await box.up();
    await box.kill(9);
    await box.wait();
  },
  async deleted(box) {
    await box.up();
    await box.down();
  },
};

export const initCalls: Calls = {
  state: (box) => box.state(),
  start: (box) => box.start(),
  delete: (box) => box.delete(),
  kill: (box) => box.kill(10), // SIGUSR1: init of a pid namespace ignores it
  "kill all": (box) => box.kill(10, { all: true }),
  "kill of signal 0": (box) => box.kill(0),
  "kill of an unknown exec": (box) => box.kill(9, { execId: "ghost" }),
  exec: (box) => box.exec("e", ["true"]),
  "exec and its start": (box) => box.execUp("e", ["true"]),
  "start of an unknown exec": (box) => box.start("ghost"),
  "delete of an unknown exec": (box) => box.deleteExec("ghost"),
  "state of an unknown exec": (box) => box.state("ghost"),
  "wait for an unknown exec": (box) => box.wait("ghost"),
  pause: (box) => box.pause(),
  resume: (box) => box.resume(),
  resize: (box) => box.resize(80, 24),
  "resize of an unknown exec": (box) => box.resize(80, 24, "ghost"),
  closeIO: (box) => box.closeInput(),
  "closeIO of an unknown exec": (box) => box.closeInput("ghost"),
  update: (box) => box.update({ pids: { limit: 77 } }),
  pids: (box) => box.pids(),
  async metrics(box, w) {
    const { metrics } = await w.tasks.metrics({ filters: [`id==${box.id}`] }, w.to);
    if (metrics.length !== 1) throw new Error(`${metrics.length}`);
  },
};

export const execStates: Readonly<Record<string, Bring>> = {
  async created(box) {
    await box.up();
    await box.exec("e", ["sleep", "1000"]);
  },
  async running(box) {
    await box.up();
    await box.execUp("e", ["sleep", "1000"]);
  },
  async "running while paused"(box) {
    await box.up();
    await box.execUp("e", ["sleep", "1000"]);
    await box.pause();
  },
  async stopped(box) {
    await box.up();
    await box.execUp("e", ["true"]);
    await box.wait("e");
  },
  async "that could not be started"(box) {
    await box.up();
    await box.execUp("e", ["/no/such/command"]).catch(() => {});
  },
  async deleted(box) {
    await box.up();
    await box.run("e", "true");
  },
  async "left by an init that has ended"(box) {
    await box.up();
    await box.execUp("e", ["sleep", "1000"]);
    await box.kill(9);
    await box.wait("e");
    await box.wait();
  },
  async "created when init has ended"(box) {
    await box.up();
    await box.exec("e", ["true"]);
    await box.kill(9);
    await box.wait();
  },
  async "created when its container is paused"(box) {
    await box.up();
    await box.exec("e", ["true"]);
    await box.pause();
  },
  async "created before init is started"(box) {
    await box.create();
    await box.exec("e", ["true"]);
  },
};

export const execCalls: Calls = {
  async state(box) {
    const { status, exitStatus } = await box.state("e");
    throw new Error(`status ${status} exit ${exitStatus}`);
  },
  start: (box) => box.start("e"),
  delete: async (box) => {
    const { id, exitStatus } = await box.deleteExec("e");
    throw new Error(`id ${id} exit ${exitStatus}`);
  },
  kill: (box) => box.kill(10, { execId: "e" }),
  "kill all": (box) => box.kill(10, { execId: "e", all: true }),
  "exec of the same name": (box) => box.exec("e", ["true"]),
  resize: (box) => box.resize(80, 24, "e"),
  closeIO: (box) => box.closeInput("e"),
};
