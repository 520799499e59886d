import type { SQLInputValue } from "node:sqlite";
import type { Database } from "../database.ts";
import type { Graph } from "./graph.ts";
import { type Row, type Source, sources } from "./sources.ts";

/** Rows that are read, or nodes that are walked, before others get their turn. */
const TURN = 500;
/** A row whose labels are long counts for several. */
const BYTES_OF_ROW = 1 << 10;
/** Rows that are fetched at once: each may have 100 KiB of labels. */
const PAGE = 100;

/** Rows that were made or changed while a collection runs. */
export interface Changes {
  /** From now on changes are noted, and no longer when it is disposed. */
  watch(): Disposable;
  readonly count: number;
  /** Has the graph keep what was changed, and whatever that leads to. At most so many changes. */
  addTo(graph: Graph, most: number): void;
}

/** Observes all tables that a collection reads. */
export function observeChanges(db: Database): Changes {
  let noted: Map<string, { source: Source; key: SQLInputValue[] }> | null = null;
  for (const source of sources)
    db.observe({ as: "gc", table: source.table, key: source.key, events: ["INSERT", "UPDATE"] }, (key) =>
      noted?.set(JSON.stringify([source.table, ...key.map(String)]), { source, key }),
    );
  return {
    watch() {
      noted = new Map();
      return {
        [Symbol.dispose]() {
          noted = null;
        },
      };
    },
    get count() {
      return noted?.size ?? 0;
    },
    addTo(graph, most) {
      for (const [name, { source, key }] of noted?.entries().take(most) ?? []) {
        noted?.delete(name);
        const where = source.key.map((column) => `t.${column} = ?`).join(" AND ");
        const row = db.get<Row>(`${selectOf(source)} WHERE ${where}`, ...key);
        // Gone again.
        if (row === null) continue;
        const node = source.take(graph, row);
        if (node !== null) graph.keep(node);
      }
    },
  };
}

/**
 * Finds everything that a root leads to. Roots: live leases, containers, images that have not expired, what has
 * the label gc.root, ingests that are open or fresh. Reads the tables in turns: what has changed since the first of them must
 * be kept besides (`Changes`).
 */
export function* mark(db: Database, graph: Graph): Generator<void, void> {
  let cost = 0;
  for (const source of sources) {
    const { order, start } = source;
    const columns = order.map((column) => `t.${column}`).join(", ");
    const cursor = order.map((column, at) => `t.${column} AS at${at}`).join(", ");
    const page = `${selectOf(source, `, ${cursor}`)} WHERE (${columns}) > (${order.map(() => "?").join(", ")})
      ORDER BY ${columns} LIMIT ${PAGE}`;
    for (let after: readonly SQLInputValue[] = start, isWhole = true; isWhole; ) {
      const rows = db.all<Row>(page, ...after);
      for (const row of rows) {
        source.take(graph, row);
        cost += 1 + (row.labels?.length ?? 0) / BYTES_OF_ROW;
        if (cost < TURN) continue;
        cost = 0;
        yield;
      }
      const last = rows.at(-1);
      isWhole = last !== undefined && rows.length === PAGE;
      if (last !== undefined) after = order.map((_, at) => last[`at${at}`] ?? null);
    }
  }
  yield* graph.reach(TURN);
}

const selectOf = ({ table, columns, joins }: Source, more = ""): string =>
  `SELECT ${columns}${more} FROM ${table} AS t ${joins}`;
