// Builds everything that is installed on a machine into dist/bin.
import { join, resolve } from "node:path";
import { buildProgram } from "../packages/host/build.ts";
import { buildSupervisor } from "../packages/supervisor/build.ts";

const top = resolve(import.meta.dirname, "..");

/** The small programs: name of the executable, and where it begins. */
const programs = [
  ["berth", "client/src/main.ts"],
  ["containerd-shim-berth-v2", "shim/src/main.ts"],
  ["berth-launch", "shim/src/launcher/main.ts"],
  ["berth-unpack", "unpack/src/main.ts"],
] as const;

for (const [name, file] of programs) {
  const entry = join(top, "packages", file);
  console.log(`built ${await buildProgram({ entry, name, outDir: join(top, "dist/bin"), variant: "release" })}`);
}
console.log(`built ${await buildSupervisor(join(top, "dist"))}`);
