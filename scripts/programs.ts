// The small programs, as they are built and installed.
import { join, resolve } from "node:path";
import { unpackC } from "../packages/unpack/own-c.ts";

const packages = resolve(import.meta.dirname, "../packages");

export interface SmallProgram {
  /** Of the executable. */
  readonly name: string;
  /** Folder of its package. */
  readonly folder: string;
  readonly entry: string;
  /** C of its own. */
  readonly moreC: readonly string[];
}

const program = (name: string, folder: string, entry: string, moreC: readonly string[] = []): SmallProgram => ({
  name,
  folder,
  entry: join(packages, folder, entry),
  moreC,
});

export const smallPrograms: readonly SmallProgram[] = [
  program("berth", "client", "src/main.ts"),
  program("containerd-shim-berth-v2", "shim", "src/main.ts"),
  program("berth-launch", "helper", "src/program/main.ts", [join(packages, "helper/c/helper.c")]),
  program("berth-unpack", "unpack", "src/main.ts", unpackC),
];
