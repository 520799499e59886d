// Builds everything that is installed on a machine into dist/bin.
import { join, resolve } from "node:path";
import { buildProgram } from "../packages/host/build.ts";
import { buildSupervisor } from "../packages/supervisor/build.ts";

const top = resolve(import.meta.dirname, "..");

/** The small programs: name of the executable, and the package it is in. */
const programs = [
  ["berth", "client"],
  ["containerd-shim-berth-v2", "shim"],
  ["berth-unpack", "unpack"],
] as const;

for (const [name, folder] of programs) {
  const entry = join(top, "packages", folder, "src/main.ts");
  console.log(`built ${await buildProgram({ entry, name, outDir: join(top, "dist/bin"), variant: "release" })}`);
}
console.log(`built ${await buildSupervisor(join(top, "dist"))}`);
