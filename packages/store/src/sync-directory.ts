import { closeSync, fsync, openSync } from "node:fs";

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): Promise<void> {
  const directory = openSync(path, "r");
  // Only what waits for the disk is worth a trip through the thread pool.
  return new Promise((resolve, reject) => {
    fsync(directory, (error) => {
      closeSync(directory);
      if (error === null) resolve();
      else reject(error);
    });
  });
}
