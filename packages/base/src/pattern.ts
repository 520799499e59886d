// Regular expressions in RE2's syntax (https://github.com/google/re2/wiki/Syntax), matched in time linear in the
// text. A RegExp of JavaScript backtracks, so that a short pattern of a client could stop the supervisor.
import { type Pattern, parsePattern } from "./pattern-syntax.ts";

/** More steps than this a pattern may not have, once its repetitions are written out. */
const MAX_STEPS = 10_000;

type Step =
  | { readonly op: "char"; readonly test: (point: number) => boolean }
  | { readonly op: "split"; to: number[] }
  | { readonly op: "assert"; readonly holds: (before: number, after: number) => boolean }
  | { readonly op: "match" };

/** A test whether the pattern matches somewhere in a text. Throws a SyntaxError for what is no
 * pattern, and a RangeError for one that is too large, each with a sentence. */
export function compilePattern(source: string): (text: string) => boolean {
  const steps: Step[] = [];
  emit(parsePattern(source), steps);
  steps.push({ op: "match" });
  return (text) => search(steps, text);
}

function push(steps: Step[], step: Step): number {
  if (steps.length >= MAX_STEPS) throw new RangeError("the pattern is too large: repeat less");
  steps.push(step);
  return steps.length - 1;
}

/** Appends the steps of a node; they fall through to whatever is appended next. */
function emit(node: Pattern, steps: Step[]): void {
  switch (node.kind) {
    case "char":
      push(steps, { op: "char", test: node.test });
      return;
    case "assert":
      push(steps, { op: "assert", holds: node.holds });
      return;
    case "sequence":
      for (const part of node.parts) emit(part, steps);
      return;
    case "choice": {
      const split: Step & { op: "split" } = { op: "split", to: [] };
      push(steps, split);
      const ends: (Step & { op: "split" })[] = [];
      for (const part of node.parts) {
        split.to.push(steps.length);
        emit(part, steps);
        const end: Step & { op: "split" } = { op: "split", to: [] };
        push(steps, end);
        ends.push(end);
      }
      for (const end of ends) end.to.push(steps.length);
      return;
    }
    case "repeat": {
      for (let i = 0; i < node.min; i++) emit(node.part, steps);
      if (node.max === null) {
        const loop: Step & { op: "split" } = { op: "split", to: [] };
        const at = push(steps, loop);
        emit(node.part, steps);
        push(steps, { op: "split", to: [at] });
        loop.to.push(at + 1, steps.length);
        return;
      }
      const skips: (Step & { op: "split" })[] = [];
      for (let i = node.min; i < node.max; i++) {
        const skip: Step & { op: "split" } = { op: "split", to: [] };
        skip.to.push(push(steps, skip) + 1);
        skips.push(skip);
        emit(node.part, steps);
      }
      for (const skip of skips) skip.to.push(steps.length);
      return;
    }
  }
}

/** Thompson's simulation: the set of steps that any attempt could be at, one code point at a time. */
function search(steps: readonly Step[], text: string): boolean {
  const points = Array.from(text, (c) => c.codePointAt(0) ?? 0);
  let current: number[] = [];
  const seen = new Int32Array(steps.length).fill(-1);
  for (let at = 0; at <= points.length; at++) {
    const before = points[at - 1] ?? -1;
    const after = points[at] ?? -1;
    // Unanchored: an attempt begins at every place.
    const waiting = [0, ...current.reverse()];
    const ready: number[] = [];
    for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
      if (seen[i] === at) continue;
      seen[i] = at;
      const step = steps[i];
      if (step === undefined) continue;
      if (step.op === "match") return true;
      if (step.op === "split") waiting.push(...step.to);
      else if (step.op === "assert") step.holds(before, after) && waiting.push(i + 1);
      else if (after >= 0 && step.test(after)) ready.push(i + 1);
    }
    current = ready;
  }
  return false;
}
