// A diff, applied on what it was made against, makes what it was made of.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { busyboxEntries, makeTar } from "../support/image.ts";
import { bindMount, buildUnpack, listTar, makeWorkplace, walkTree } from "./harness.ts";

const root = process.getuid?.() === 0;
const program = root ? await buildUnpack() : "";

describe("a diff", { skip: root ? false : "needs root" }, () => {
  it("of two trees, applied on the first, makes the second", () => {
    using place = makeWorkplace(program);
    const [before, after, result] = ["before", "after", "result"].map((name) => join(place.dir, name)) as [
      string,
      string,
      string,
    ];
    for (const tree of [before, after, result]) {
      mkdirSync(tree);
      assert.equal(place.apply(makeTar(busyboxEntries()), [bindMount(tree)]).status, 0);
    }
    rmSync(join(after, "bin/ls"));
    rmSync(join(after, "usr"), { recursive: true });
    writeFileSync(join(after, "etc/passwd"), "changed");
    // The same size and the same whole second: only the content tells.
    writeFileSync(join(after, "etc/hostname"), "BUSYBOX\n");
    utimesSync(join(after, "etc/hostname"), 1_700_000_000, 1_700_000_000);
    chmodSync(join(after, "tmp"), 0o700);
    mkdirSync(join(after, "new/deep"), { recursive: true });
    writeFileSync(join(after, "new/deep/file"), "x".repeat(100_000));
    linkSync(join(after, "new/deep/file"), join(after, "new/linked"));
    symlinkSync("deep/file", join(after, "new/link"));
    rmSync(join(after, "home"), { recursive: true });
    writeFileSync(join(after, "home"), "a file now");

    const { status, stdout, answer } = place.diff([bindMount(before)], [bindMount(after)]);
    assert.equal(status, 0, JSON.stringify(answer));
    assert.equal(answer.diffId, `sha256:${createHash("sha256").update(stdout).digest("hex")}`);
    const names = listTar(stdout).map((line) => line.split(/\s+/)[5]);
    assert.ok(
      names.includes("bin/.wh.ls") && names.includes(".wh.usr") && !names.includes("bin/busybox"),
      names.join("\n"),
    );

    const applied = place.apply(stdout, [bindMount(result)]);
    assert.equal(applied.status, 0, JSON.stringify(applied.answer));
    const times = { times: false };
    assert.deepEqual(walkTree(result, times), walkTree(after, times));
  });

  it("is the same bytes every time, and gzip only wraps them", () => {
    using place = makeWorkplace(program);
    assert.equal(place.apply(makeTar(busyboxEntries())).status, 0);
    const plain = place.diff([], place.bind);
    const again = place.diff([], place.bind);
    const zipped = place.diff([], place.bind, "gzip");
    assert.ok(plain.stdout.equals(again.stdout));
    assert.ok(gunzipSync(zipped.stdout).equals(plain.stdout));
    assert.equal(zipped.answer.diffId, plain.answer.diffId);
  });

  it("that fails says why on the descriptor where its answer goes", () => {
    using place = makeWorkplace(program);
    const { status, answer } = place.diff([], place.bind, "lzma");
    assert.equal(status, 1);
    assert.deepEqual(answer, {
      kind: "invalid-argument",
      message: 'compression "lzma" is unknown: use none, gzip or zstd',
    });
  });

  it("of what cannot be mounted says what it was", () => {
    using place = makeWorkplace(program);
    const odd = { type: "nosuchfs", source: "none", target: "", options: ["constructor"] };
    const { status, answer } = place.diff([], [odd]);
    assert.equal(status, 1);
    assert.equal(answer.kind, "unknown");
    assert.match(String(answer.message), /^failed to mount "none" of type "nosuchfs": .*no such device: unknown$/);
  });

  it("of an overlay against its lower layer has only what was changed", () => {
    using place = makeWorkplace(program);
    assert.equal(place.apply(makeTar(busyboxEntries())).status, 0);
    const overlay = place.overlay("top");
    assert.equal(
      place.apply(makeTar([{ path: "etc/.wh.group" }, { path: "etc/added", content: "x" }]), overlay).status,
      0,
    );
    const { stdout, answer } = place.diff(place.bind, overlay);
    assert.ok(answer.diffId, JSON.stringify(answer));
    const names = listTar(stdout)
      .map((line) => line.split(/\s+/)[5] ?? "")
      .filter((name) => name !== "");
    assert.deepEqual(names, ["etc/", "etc/added", "etc/.wh.group"]);
  });
});
