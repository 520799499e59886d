// Builds everything that is installed on a machine into dist/bin.
import { join, resolve } from "node:path";
import { buildProgram } from "../packages/host/build.ts";
import { buildSupervisor } from "../packages/supervisor/build.ts";

const top = resolve(import.meta.dirname, "..");

/** The small programs: name of the executable, where it begins, and C of its own. */
const programs = [
  ["berth", "client/src/main.ts"],
  ["containerd-shim-berth-v2", "shim/src/main.ts"],
  ["berth-launch", "helper/src/program/main.ts", "helper/c/helper.c"],
  ["berth-unpack", "unpack/src/main.ts"],
] as const;
const below = (file: string): string => join(top, "packages", file);

for (const [name, file, ...ownC] of programs) {
  const entry = below(file);
  console.log(
    `built ${await buildProgram({ entry, name, outDir: join(top, "dist/bin"), variant: "release", moreC: ownC.map(below) })}`,
  );
}
console.log(`built ${await buildSupervisor(join(top, "dist"))}`);
