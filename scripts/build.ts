// Builds everything that is installed on a machine into dist/bin.
import { join, resolve } from "node:path";
import { buildProgram } from "../packages/host/build.ts";
import { buildSupervisor } from "../packages/supervisor/build.ts";
import { smallPrograms } from "./programs.ts";

const top = resolve(import.meta.dirname, "..");
const outDir = join(top, "dist/bin");

for (const { name, entry, moreC } of smallPrograms)
  console.log(`built ${await buildProgram({ entry, name, outDir, variant: "release", moreC })}`);
console.log(`built ${await buildSupervisor(join(top, "dist"))}`);
