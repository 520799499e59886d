// The closing lines of node's test runner, added up over several runs.

const counts = ["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo", "duration_ms"];

interface Diagnostic {
  readonly type: string;
  readonly data: { readonly nesting?: number; readonly message?: string };
}

export interface Totals {
  /** Whether the event is such a line, which is then kept back. */
  take(event: Diagnostic): boolean;
  /** The sums, as events. */
  events(): { type: "test:diagnostic"; data: { nesting: 0; message: string; level: "info" } }[];
}

export function totals(): Totals {
  const sums = new Map<string, number>();
  return {
    take({ type, data }) {
      const [, name = "", value] = /^(\w+) ([\d.]+)$/.exec(data?.message ?? "") ?? [];
      if (type !== "test:diagnostic" || data.nesting !== 0 || !counts.includes(name)) return false;
      sums.set(name, (sums.get(name) ?? 0) + Number(value));
      return true;
    },
    events: () =>
      [...sums].map(([name, sum]) => ({
        type: "test:diagnostic",
        data: { nesting: 0, message: `${name} ${sum}`, level: "info" },
      })),
  };
}
