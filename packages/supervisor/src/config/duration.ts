const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration (`1h2m3.5s`, `100ms`, `0`), or null where it is none. */
export function parseDuration(text: string): number | null {
  if (text === "0") return 0;
  const [, sign = "", body = ""] = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (body === "") return null;
  let ms = 0;
  for (const [, number = "", unit = ""] of body.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(number) * (units[unit] ?? 0);
  return sign === "-" ? -ms : ms;
}

/** The shortest way to say some milliseconds in one unit. */
export function formatDuration(ms: number): string {
  if (ms !== 0 && ms % 1_000 === 0) return `${ms / 1_000}s`;
  return ms >= 1 || ms === 0 ? `${ms}ms` : `${ms * 1e6}ns`;
}
