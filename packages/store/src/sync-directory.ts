import { open } from "node:fs/promises";

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
