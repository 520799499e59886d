import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf, normalizeReference, parseReference } from "@berth/base";

const digest = `sha256:${"a".repeat(64)}`;

describe("an image reference", () => {
  for (const [given, full] of [
    ["busybox", "docker.io/library/busybox:latest"],
    ["busybox:1.36", "docker.io/library/busybox:1.36"],
    ["user/app", "docker.io/user/app:latest"],
    ["docker.io/busybox", "docker.io/library/busybox:latest"],
    ["index.docker.io/busybox", "docker.io/library/busybox:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/a/b:v1", "localhost:5000/a/b:v1"],
    ["registry.example.com/a/b/c", "registry.example.com/a/b/c:latest"],
    [`busybox@${digest}`, `docker.io/library/busybox@${digest}`],
    [`busybox:1@${digest}`, `docker.io/library/busybox:1@${digest}`],
    ["[::1]:5000/app", "[::1]:5000/app:latest"],
    ["Host/app", "Host/app:latest"],
    ["a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest"],
  ] as const)
    it(`${given} is ${full}`, () => assert.equal(normalizeReference(given), full));

  for (const bad of [
    "",
    "BusyBox",
    "a/B",
    "busybox:",
    "busybox:-x",
    "busybox@sha256:abc",
    "a//b",
    "/a",
    "a/",
    "a..b",
    "a___b",
    "a b",
    "f".repeat(64),
    `${"a/".repeat(130)}a`,
    "exa_mple.com/a",
    `busybox:${"t".repeat(129)}`,
  ])
    it(`${JSON.stringify(bad.slice(0, 40))} is refused`, () => {
      assert.throws(
        () => parseReference(bad),
        (error) => kindOf(error) === "invalid-argument",
      );
    });
});
