import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { shimSuite } from "./shim-suite.ts";

const own = resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2");
const go = "/usr/bin/containerd-shim-runc-v2";
const cannot = process.getuid?.() === 0 ? false : "needs root";

for (const [name, path] of [
  ["containerd's own shim", go],
  ["the berth shim", own],
] as const)
  shimSuite(name, path, cannot || (existsSync(path) ? false : `${path} is not there`));
