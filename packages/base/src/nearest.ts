/**
 * The candidate that takes the fewest single-letter edits from `given`, or null if none is near: one edit for every
 * four letters, as more make another word of a short one.
 */
export function nearest(given: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(given.length / 4)) + 1;
  for (const candidate of candidates) {
    const begins = given.length > 1 && candidate.startsWith(given);
    const steps = begins ? 1 : given.length < 3 ? Number.POSITIVE_INFINITY : distance(given, candidate);
    if (steps < least) {
      least = steps;
      best = candidate;
    }
  }
  return best;
}

/** Edits from one word to the other; two neighbours that changed places count once. */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      let steps = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1])
        steps = Math.min(steps, (before[j - 2] ?? 0) + 1);
      row.push(steps);
    }
    before = previous;
    previous = row;
  }
  return previous[to.length] ?? 0;
}
