// This supervisor's runtime drives the shims of newer containerds: options as an Any on stdin, a reply in JSON.
import { join } from "node:path";
import { shimSuite } from "../runtime/shim-suite.ts";
import { leftOut, rootOf } from "./debian.ts";

for (const [release, generation] of [
  ["trixie", "1.7"],
  ["sid", "2.1"],
] as const)
  shimSuite(
    `the shim of containerd ${generation}`,
    leftOut === false ? join(rootOf(release), "usr/bin/containerd-shim-runc-v2") : "",
    leftOut,
  );
