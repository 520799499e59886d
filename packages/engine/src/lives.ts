// Orders what is done to one container, from its record to its task. A name is free, or in one phase:
//
//            | free  | making                      | removing       | finishing, leaving
//   make     | runs  | refused                     | refused        | waits, then runs
//   start    | runs  | runs                        | refused        | waits, then runs
//   remove   | runs  | aborts it, waits, then runs | joins it       | waits, then runs
//   finish   | runs  | aborts it, waits, then runs | waits          | waits, then runs
//
// Making is the creation of the record, or of the task. A start is no phase: the removal of what is being started does not
// wait for it, but finishing does. Finishing is what a shutdown or the next start does about a step that was cut short.
// Leaving is a removal that was answered before it is over.
import { aborted, failedPrecondition, unavailable } from "@berth/base";

export interface Name {
  readonly namespace: string;
  readonly id: string;
}

export interface Lives {
  /** The work's signal is aborted with the caller's, and once the container is to be removed. `taken` is the refusal. */
  make<T>(name: Name, taken: Error, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** For the start of a container's first process. */
  start<T>(name: Name, work: () => Promise<T>): Promise<T>;
  /** Without `force`, a making is left alone and the removal refused. `work` is told whether a making was aborted. */
  remove(name: Name, force: boolean, work: (abortedMaking: boolean) => Promise<void>): Promise<void>;
  /** A removal that resolves when `work` says that it is certain; what fails after that is for `work` to tell. */
  leave(
    name: Name,
    force: boolean,
    work: (abortedMaking: boolean, certain: () => void) => Promise<void>,
  ): Promise<void>;
  /** Resolves once what is leaving now has left: all of it, a namespace's, or one container. */
  left(of: { readonly [K in keyof Name]?: string | undefined }): Promise<void>;
  /**
   * Where nothing else is under way it begins at once: what is asked of the name from now on waits, and what is asked for
   * by `left` where it is to go.
   */
  finish(name: Name, goes: boolean, work: () => Promise<void>): Promise<void>;
}

type Phase =
  | { readonly at: "making"; readonly over: Promise<unknown>; readonly abort: AbortController }
  | { readonly at: "removing" | "finishing" | "leaving"; readonly over: Promise<void> };

export function createLives(): Lives {
  const phases = new Map<string, Phase>();
  const starts = new Map<string, Set<Promise<unknown>>>();
  const leaving = new Set<{ readonly name: Name; readonly over: Promise<void> }>();
  const keyOf = ({ namespace, id }: Name): string => `${namespace}/${id}`;

  /** Synchronous up to the work's first step, so that no phase comes in between. */
  function enter<T, P extends Phase>(name: Name, work: () => Promise<T>, phase: (over: Promise<T>) => P): Promise<T> {
    const key = keyOf(name);
    const { promise, resolve } = Promise.withResolvers<void>();
    const over = promise.then(work);
    const entered = phase(over);
    phases.set(key, entered);
    resolve();
    const leave = () => {
      if (phases.get(key) === entered) phases.delete(key);
    };
    over.then(leave, leave);
    return over;
  }

  async function make<T>(
    name: Name,
    taken: Error,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (let now = phases.get(keyOf(name)); now !== undefined; now = phases.get(keyOf(name))) {
      if (now.at === "making") throw taken;
      if (now.at === "removing") throw beingRemoved(name);
      await now.over.catch(() => {});
    }
    const abort = new AbortController();
    const both = AbortSignal.any([signal, abort.signal]);
    const over = enter(
      name,
      () => work(both),
      (promise) => ({ at: "making", over: promise, abort }),
    );
    try {
      return await over;
    } catch (error) {
      throw abort.signal.aborted ? abort.signal.reason : error;
    }
  }

  async function start<T>(name: Name, work: () => Promise<T>): Promise<T> {
    const key = keyOf(name);
    for (let now = phases.get(key); now !== undefined && now.at !== "making"; now = phases.get(key)) {
      if (now.at === "removing") throw beingRemoved(name);
      await now.over.catch(() => {});
    }
    const under = starts.get(key) ?? new Set();
    starts.set(key, under);
    const over = work();
    under.add(over);
    try {
      return await over;
    } finally {
      under.delete(over);
      if (under.size === 0) starts.delete(key);
    }
  }

  /** Joins a removal that is under way, or makes the name free and enters its phase in the same turn. */
  async function enterRemoval(
    name: Name,
    force: boolean,
    at: "removing" | "leaving",
    work: (abortedMaking: boolean) => Promise<void>,
  ): Promise<{ over: Promise<void> }> {
    let abortedMaking = false;
    for (let now = phases.get(keyOf(name)); now !== undefined; now = phases.get(keyOf(name))) {
      if (now.at === "removing") return now;
      if (now.at === "making") {
        if (!force)
          throw failedPrecondition(`container ${quoted(name)} is being made: wait for it, or force its removal`);
        now.abort.abort(aborted(`container ${quoted(name)} was removed while it was being made`));
        abortedMaking = true;
      }
      await now.over.catch(() => {});
    }
    const over = enter(
      name,
      () => work(abortedMaking),
      (under) => ({ at, over: under }),
    );
    if (at === "leaving") noteLeaving(name, over);
    return { over };
  }

  function noteLeaving(name: Name, over: Promise<void>): void {
    const one = { name, over };
    leaving.add(one);
    over.finally(() => leaving.delete(one)).catch(() => {}); // the caller sees it
  }

  async function remove(name: Name, force: boolean, work: (abortedMaking: boolean) => Promise<void>): Promise<void> {
    await (await enterRemoval(name, force, "removing", work)).over;
  }

  const leave: Lives["leave"] = async (name, force, work) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { over } = await enterRemoval(name, force, "leaving", (abortedMaking) => work(abortedMaking, resolve));
    await Promise.race([promise, over]);
  };

  const left: Lives["left"] = async ({ namespace, id }) => {
    const all = [...leaving].filter((one) => namespace === undefined || one.name.namespace === namespace);
    await Promise.allSettled(all.filter((one) => id === undefined || one.name.id === id).map(({ over }) => over));
  };

  async function finish(name: Name, goes: boolean, work: () => Promise<void>): Promise<void> {
    const underWay = () => {
      const phase = phases.get(keyOf(name));
      if (phase?.at === "making")
        phase.abort.abort(unavailable(`container ${quoted(name)} was being made when berthd ended: try again`));
      return [...(phase === undefined ? [] : [phase.over]), ...(starts.get(keyOf(name)) ?? [])];
    };
    for (let now = underWay(); now.length > 0; now = underWay()) await Promise.allSettled(now);
    const over = enter(name, work, (under) => ({ at: "finishing", over: under }));
    if (goes) noteLeaving(name, over);
    await over;
  }

  return { make, start, remove, leave, left, finish };
}

const beingRemoved = (name: Name) => failedPrecondition(`container ${quoted(name)} is being removed: try again later`);

const quoted = ({ id }: Name): string => JSON.stringify(id);
