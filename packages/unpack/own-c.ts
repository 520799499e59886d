// The C that only berth-unpack is linked with: paths, for `buildProgram`.
import { readdirSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "c");

export const unpackC: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith(".c"))
  .map((name) => join(folder, name));
