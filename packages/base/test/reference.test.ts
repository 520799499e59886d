import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { familiarName, kindOf, normalizeReference, parseReference } from "@berth/base";

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

describe("the familiar name", () => {
  for (const [full, short] of [
    ["docker.io/library/busybox:latest", "busybox"],
    ["docker.io/library/busybox:1.36", "busybox:1.36"],
    ["docker.io/user/app:latest", "user/app"],
    ["docker.io/library/a/b:1", "library/a/b:1"],
    ["localhost:5000/app:latest", "localhost:5000/app"],
    [`docker.io/library/busybox@${digest}`, `busybox@${digest}`],
    ["no reference", "no reference"],
  ] as const)
    it(`of ${full} is ${short}`, () => assert.equal(familiarName(full), short));

  it("means the same", () => {
    for (const full of ["docker.io/library/busybox:1", "docker.io/user/app:latest", `localhost:5000/a@${digest}`])
      assert.equal(normalizeReference(familiarName(full)), full);
  });
});
