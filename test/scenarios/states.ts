// Every call in every state of init and of an exec: code and text, and that a refusal has no effect.
import assert from "node:assert/strict";
import { outcomeOf } from "./expect.ts";
import { area, type Scenario, scenario } from "./scenario.ts";
import { execCalls, execStates, initCalls, initStates } from "./state-calls.ts";
import type { World } from "./world.ts";

/** What is not `ok`; several where generations of containerd's shim differ. */
type Outcomes = Readonly<Record<string, string | readonly string[]>>;

const noTask = "not-found | task ID not found";
const noGhost = "not-found | process does not exist ghost: not found";
const onGhost = Object.keys(initCalls).filter((call) => call.includes("unknown exec"));
const absent = { ...Object.fromEntries(Object.keys(initCalls).map((call) => [call, noTask])), metrics: "unknown | 0" };
const present = Object.fromEntries(onGhost.map((call) => [call, noGhost]));

const ofInit: Readonly<Record<string, Outcomes>> = {
  none: absent,
  created: {
    ...present,
    pause: "unknown | cannot pause task in created state: unknown",
    resume: "unknown | cannot resume task in created state: unknown",
  },
  running: {
    ...present,
    start: "unknown | cannot start a running process: unknown",
    delete: "unknown | failed to delete task: cannot delete a running process: unknown",
    resume: "unknown | cannot resume a running process: unknown",
  },
  paused: {
    ...present,
    start: "unknown | cannot start a paused process: unknown",
    delete: "unknown | failed to delete task: cannot delete a paused process: unknown",
    exec: "unknown | cannot exec in a paused state: unknown",
    "exec and its start": "unknown | cannot exec in a paused state: unknown",
    pause: "unknown | cannot pause a paused container: unknown",
  },
  stopped: {
    ...present,
    start: "unknown | cannot start a stopped process: unknown",
    kill: "not-found | process already finished: not found",
    "kill of signal 0": "not-found | process already finished: not found",
    exec: "unknown | cannot exec in a stopped state: unknown",
    "exec and its start": "unknown | cannot exec in a stopped state: unknown",
    pause: "unknown | cannot pause a stopped container: unknown",
    resume: "unknown | cannot resume a stopped container: unknown",
    update: "unknown | cannot update a stopped container: unknown",
  },
  deleted: absent,
};

const noExec = "not-found | process does not exist e: not found";
const created = {
  state: "unknown | status 1 exit 0",
  delete: "unknown | id e exit 0",
  kill: "failed-precondition | process not created: failed precondition",
  "kill all": "failed-precondition | process not created: failed precondition",
  "exec of the same name": "already-exists | id e: already exists",
};
const running = {
  state: "unknown | status 2 exit 0",
  start: "unknown | cannot start a running process: unknown",
  delete: "unknown | cannot delete a running process: unknown",
  "exec of the same name": "already-exists | id e: already exists",
};
const stopped = {
  state: "unknown | status 3 exit 0",
  start: "unknown | cannot start a stopped process: unknown",
  delete: "unknown | id e exit 0",
  kill: "not-found | process already finished: not found",
  "kill all": "not-found | process already finished: not found",
  "exec of the same name": "already-exists | id e: already exists",
  resize: "unknown | cannot resize a stopped container: unknown",
};

const ofExec: Readonly<Record<string, Outcomes>> = {
  created,
  running,
  "running while paused": { ...running, state: "unknown | status 4 exit 0" },
  stopped,
  // A second start ends containerd's shim 1.6.20 (a panic), so nothing is asked of it.
  "that could not be started": created,
  deleted: {
    ...Object.fromEntries(Object.keys(execCalls).map((call) => [call, noExec])),
    "exec of the same name": "ok",
  },
  "left by an init that has ended": {
    ...stopped,
    state: "unknown | status 3 exit 137",
    delete: "unknown | id e exit 137",
  },
  "created when init has ended": {
    ...created,
    start: [
      "unknown | OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown",
      // since 1.6.36 and 1.7.22
      "failed-precondition | container ID init process is not running: failed precondition",
    ],
  },
  "created when its container is paused": {
    ...created,
    state: "unknown | status 4 exit 0",
    start:
      "unknown | OCI runtime exec failed: exec failed: cannot exec in a paused container (use --ignore-paused to override): unknown",
  },
  "created before init is started": created,
};

/** Calls that succeed and leave everything as it was. */
const harmless = (call: string): boolean => /^(state|resize|closeIO|pids|metrics|kill of signal 0)/.test(call);

function table(
  kind: string,
  states: typeof initStates,
  calls: typeof initCalls,
  expected: Readonly<Record<string, Outcomes>>,
): Scenario[] {
  const scenarios: Scenario[] = [];
  for (const [state, bring] of Object.entries(states)) {
    const wanted = (call: string): readonly string[] => [expected[state]?.[call] ?? "ok"].flat();
    const enter = async (w: World) => {
      const box = await w.box(["sleep", "1000"]);
      await bring(box);
      const ask = async (call: string) => {
        const answer = calls[call]?.(box, w) ?? Promise.reject(new Error(call));
        const outcome = `${call}: ${(await outcomeOf(answer)).replaceAll(box.id, "ID")}`;
        const right = wanted(call).map((text) => `${call}: ${text}`);
        if (!right.includes(outcome)) assert.equal(outcome, right[0]);
      };
      return { box, ask };
    };
    const keeps = (call: string): boolean => {
      const first = wanted(call)[0] ?? "";
      return harmless(call) || (first !== "ok" && !first.includes("| id "));
    };
    const changing = Object.keys(calls).filter((call) => !keeps(call));
    scenarios.push(
      scenario(`${kind} ${state}: what is refused, and what changes nothing`, async (w) => {
        const { box, ask } = await enter(w);
        const before = await outcomeOf(box.status());
        for (const call of Object.keys(calls).filter(keeps)) await ask(call);
        assert.equal(await outcomeOf(box.status()), before);
      }),
    );
    for (const call of changing)
      if (state !== "that could not be started" || call !== "start")
        scenarios.push(scenario(`${kind} ${state}: ${call}`, async (w) => (await enter(w)).ask(call)));
  }
  return scenarios;
}

export const states = area("states", [
  ...table("init", initStates, initCalls, ofInit),
  ...table("exec", execStates, execCalls, ofExec),
]);
