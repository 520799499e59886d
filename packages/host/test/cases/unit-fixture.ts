export const answer = (factor: number): number => 21 * factor;

export function counter(): () => number {
  let count = 0;
  return () => ++count;
}

export function fails(): never {
  throw new TypeError("as it should");
}
