// Durations as Go writes them (https://pkg.go.dev/time#ParseDuration).
const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const number = String.raw`(?:\d+\.?\d*|\.\d+)`;
const unit = "(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h)";
const whole = new RegExp(`^([+-]?)((?:${number}${unit})+)$`);
const parts = new RegExp(`(${number})(${unit})`, "g");

/** Milliseconds of `1h2m3.5s`, `100ms` or `0`; null if it is no duration. */
export function parseGoDuration(text: string): number | null {
  if (/^[+-]?0$/.test(text)) return 0;
  const [, sign = "", body = ""] = whole.exec(text) ?? [];
  if (body === "") return null;
  let ms = 0;
  for (const [, count = "", name = ""] of body.matchAll(parts)) ms += Number(count) * (units[name] ?? 0);
  return sign === "-" ? -ms : ms;
}

/** The shortest way to say some milliseconds in one unit. */
export function formatGoDuration(ms: number): string {
  if (ms !== 0 && ms % 1_000 === 0) return `${ms / 1_000}s`;
  return ms >= 1 || ms === 0 ? `${ms}ms` : `${ms * 1e6}ns`;
}
