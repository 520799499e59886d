/** Reads a regular file of a layered root; null where it is absent. */
export async function readFileInSnapshot(
  _directories: readonly string[],
  _path: string,
  _limit: number,
): Promise<Uint8Array | null> {
  throw new Error("not there yet");
}
