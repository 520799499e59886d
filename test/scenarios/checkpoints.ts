// criu may lack what it needs on a machine, or be missing: then there is a clear error, and the container goes on.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packAny } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import { outcomeOf } from "./expect.ts";
import { area, scenario } from "./scenario.ts";

const sleeper = ["sleep", "1000"];

export const checkpoints = area("checkpoints", [
  scenario("into a folder: an image, or the reason why not", async (w) => {
    const imagePath = join(w.dir, "image");
    mkdirSync(imagePath);
    const box = await w.box(sleeper);
    await box.up();
    const outcome = await outcomeOf(box.checkpoint(packAny(CheckpointOptions, { imagePath })));
    if (outcome === "ok") assert.ok(readdirSync(imagePath).some((name) => name.endsWith(".img")));
    else assert.match(outcome, /^unknown \| .*criu failed.* path= .*criu-dump\.log: unknown$/s);
    assert.equal(await box.status(), "running");
    assert.equal(await box.run("e", "true"), 0);
  }),
  scenario("into the content store: descriptors, or the reason why not", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    const outcome = await outcomeOf(box.checkpoint());
    if (outcome !== "ok") assert.match(outcome, /^unknown \| .*criu failed/);
    assert.equal(await box.status(), "running");
  }),
  scenario("by a runtime that finds no criu: the reason", async (w) => {
    const binaryName = join(w.dir, "runc-alone");
    writeFileSync(binaryName, '#!/bin/sh\nPATH=/nowhere exec /usr/sbin/runc "$@"\n', { mode: 0o755 });
    const box = await w.box(sleeper, { runtimeOptions: packAny(Options, { binaryName }) });
    await box.up();
    const outcome = await outcomeOf(box.checkpoint());
    assert.match(outcome, /^unknown \| .*exec: "criu": executable file not found in \$PATH.*: unknown$/s);
    assert.equal(await box.status(), "running");
  }),
  scenario("of a stopped container", async (w) => {
    const box = await w.box(sleeper);
    await box.up();
    await box.kill(9);
    await box.wait();
    assert.equal(await outcomeOf(box.checkpoint()), "unknown | cannot checkpoint a stopped container: unknown");
  }),
]);
