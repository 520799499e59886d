import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { failedPrecondition, resourceExhausted } from "@berth/base";
import type { StoreOptions } from "@berth/store";
import { fails, recordingLog, scope, temporaryStore } from "./support.ts";

const refusing: StoreOptions["tryOverlay"] = async ({ directory }) => {
  mkdirSync(join(directory, "work"));
  throw failedPrecondition("the kernel does not want to");
};

it("an overlayfs that works is tried once, in a directory that does not stay", async () => {
  const tried: string[] = [];
  const tryOverlay: StoreOptions["tryOverlay"] = async ({ directory }) => {
    writeFileSync(join(directory, "file"), "");
    tried.push(directory);
  };
  await using temporary = await temporaryStore({ tryOverlay });
  assert.deepEqual(temporary.store.snapshotters, ["overlayfs", "native"]);
  await temporary.reopen();
  assert.deepEqual(tried, [join(temporary.root, "io.containerd.snapshotter.v1.overlayfs/probe")]);
  assert.ok(!existsSync(tried[0] ?? ""));
});

it("an overlayfs that does not work is tried at each start, and one warning gives the reason", async () => {
  const { log, lines } = recordingLog();
  await using temporary = await temporaryStore({ tryOverlay: refusing, log });
  const warned = () => lines.filter(({ level }) => level === "warn");
  assert.deepEqual(
    warned().map(({ sentence, fields }) => [sentence, fields.path, fields.err]),
    [
      [
        "overlayfs does not work on the root's file system: the native snapshotter takes its place",
        temporary.root,
        "the kernel does not want to",
      ],
    ],
  );
  assert.deepEqual(temporary.store.snapshotters, ["native"]);
  await temporary.reopen();
  assert.equal(warned().length, 2);
  await temporary.reopen({ tryOverlay: async () => {} });
  assert.deepEqual(temporary.store.snapshotters, ["overlayfs", "native"]);
});

it("what an overlayfs that does not work has can be looked at and removed, and nothing can be added or mounted", async () => {
  await using temporary = await temporaryStore();
  await temporary.store.snapshotter("overlayfs").prepare(scope, "old", "", {});
  await temporary.reopen({ tryOverlay: refusing });
  const overlays = temporary.store.snapshotter("overlayfs");
  assert.equal(overlays.stat(scope, "old").kind, "active");
  const refusal = `snapshotter not loaded: overlayfs, since it does not work below ${temporary.root} (the kernel does not want to): use native`;
  for (const call of [
    () => overlays.prepare(scope, "new", "", {}),
    () => overlays.view(scope, "new", "", {}),
    () => overlays.mounts(scope, "old"),
  ])
    await fails(call, "invalid-argument", refusal);
  await overlays.remove(scope, "old");
  assert.deepEqual(overlays.list(scope, []), []);
});

it("a full disk says nothing about overlayfs", async () => {
  const { log, lines } = recordingLog();
  const tryOverlay = () => Promise.reject(resourceExhausted("no space left"));
  await using temporary = await temporaryStore({ tryOverlay, log });
  assert.deepEqual(temporary.store.snapshotters, ["overlayfs", "native"]);
  assert.deepEqual(
    lines.filter(({ level }) => level === "warn"),
    [],
  );
});
