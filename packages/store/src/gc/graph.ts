import type { Instant } from "@berth/base";
import type { Node } from "./node.ts";

export interface Edges {
  /** Followed always: a snapshot's parent, an image's target, what a lease lists. */
  readonly own: Node[];
  /** Followed unless reached by a flat lease only. */
  readonly labelled: Node[];
}

/** What leads to what, as far as it was read, and what was found to be reachable. */
export interface Graph {
  readonly now: Instant;
  isOpenIngest(namespace: string, ref: string): boolean;
  readonly roots: Node[];
  readonly flatLeases: Node[];
  readonly expiredLeases: { readonly namespace: string; readonly id: string }[];
  edgesOf(node: Node): Edges;
  /** Keeps all that the roots and the flat leases lead to. Yields after each `turn` nodes. */
  reach(turn: number): Generator<void, void>;
  /** Keeps a node that has changed, and all that it leads to by now. */
  keep(node: Node): void;
  isKept(node: Node): boolean;
}

export function createGraph(now: Instant, isOpenIngest: Graph["isOpenIngest"]): Graph {
  const edges = new Map<Node, Edges>();
  const kept = new Set<Node>();
  /** What a flat lease lists keeps what it is made of, but not what its labels point to. */
  const keptFlat = new Set<Node>();
  const roots: Node[] = [];
  const flatLeases: Node[] = [];

  function* walk(waiting: Node[], isFlat: boolean, turn: number): Generator<void, void> {
    const seen = isFlat ? keptFlat : kept;
    let steps = 0;
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (++steps % turn === 0) yield;
      const out = edges.get(node);
      if (out === undefined) continue;
      for (const next of out.own) if (!seen.has(next)) waiting.push(next);
      if (!isFlat) for (const next of out.labelled) if (!seen.has(next)) waiting.push(next);
    }
  }

  return {
    now,
    isOpenIngest,
    roots,
    flatLeases,
    expiredLeases: [],
    edgesOf(node) {
      const known = edges.get(node);
      if (known) return known;
      const made: Edges = { own: [], labelled: [] };
      edges.set(node, made);
      return made;
    },
    *reach(turn) {
      yield* walk([...roots], false, turn);
      yield* walk([...flatLeases], true, turn);
    },
    keep(node) {
      // It may have been kept before and lead elsewhere since.
      const { own = [], labelled = [] } = edges.get(node) ?? {};
      for (const _ of walk([node, ...own, ...labelled], false, Number.POSITIVE_INFINITY));
    },
    isKept: (node) => kept.has(node) || keptFlat.has(node),
  };
}
