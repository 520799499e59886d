/**
 * What is used where nobody names a snapshotter: native takes the place of an overlayfs that does not work (the store has
 * said why). Any other name stays, and is refused where it is used.
 */
export const defaultSnapshotter = (configured: string, usable: readonly string[]): string =>
  configured === "overlayfs" && !usable.includes(configured) ? "native" : configured;
