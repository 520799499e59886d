import assert from "node:assert/strict";
import { mkdirSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { fails, put, scope, temporaryStore } from "./support.ts";

for (const name of ["overlayfs", "native"])
  describe(`${name} without a directory of a snapshot`, () => {
    const open = async () => {
      const temporary = await temporaryStore();
      const snapshots = temporary.store.snapshotter(name);
      await snapshots.prepare(scope, "a", "", {});
      await snapshots.commit(scope, "low", "a", {});
      await snapshots.prepare(scope, "b", "low", {});
      await snapshots.commit(scope, "high", "b", {});
      await snapshots.prepare(scope, "own", "high", {});
      await snapshots.view(scope, "view", "high", {});
      const directory = join(temporary.root, `io.containerd.snapshotter.v1.${name}/snapshots`);
      const pathOf = (id: number) => join(directory, String(id), ...(name === "overlayfs" ? ["fs"] : []));
      return { temporary, snapshots, directory, pathOf };
    };
    const says = (path: string, key: string) => `directory ${path} of snapshot "${key}" is missing: `;

    it("names an image's, makes and mounts nothing on it, and leaves nothing", async () => {
      const { temporary, snapshots, directory, pathOf } = await open();
      await using _ = temporary;
      rmSync(join(directory, "2"), { recursive: true });
      const before = readdirSync(directory);
      const said = `directory ${pathOf(2)} of snapshot "`;
      for (const call of [
        () => snapshots.prepare(scope, "new", "high", {}),
        () => snapshots.view(scope, "new", "high", {}),
        () => snapshots.mounts(scope, "view"),
      ])
        await fails(call, "unknown", said);
      await fails(() => snapshots.prepare(scope, "new", "high", {}), "unknown", "berth image check --repair");
      assert.deepEqual(readdirSync(directory), before);
      await fails(() => snapshots.stat(scope, "new"), "not-found");
    });

    it("names a container's, and lets it be removed", async () => {
      const { temporary, snapshots, directory, pathOf } = await open();
      await using _ = temporary;
      rmSync(join(directory, "3"), { recursive: true });
      for (const call of [
        () => snapshots.mounts(scope, "own"),
        () => snapshots.usage(scope, "own"),
        () => snapshots.commit(scope, "new", "own", {}),
      ])
        await fails(call, "unknown", says(pathOf(3), "own"));
      await snapshots.clear(scope, "own");
      await snapshots.remove(scope, "own");
      await fails(() => snapshots.stat(scope, "own"), "not-found");
    });

    it("names one that is a file now, and that of all snapshots", async () => {
      const { temporary, snapshots, directory, pathOf } = await open();
      await using _ = temporary;
      rmSync(pathOf(3), { recursive: true });
      writeFileSync(pathOf(3), "");
      await fails(() => snapshots.usage(scope, "own"), "unknown", 'of snapshot "own" is not a directory: ');
      rmSync(directory, { recursive: true });
      const said = `directory ${directory} of snapshotter ${name} is missing: start berthd again, which makes it`;
      await fails(() => snapshots.prepare(scope, "new", "", {}), "unknown", said);
    });
  });

it("overlayfs names a layer below the one that a snapshot lies upon", async () => {
  await using temporary = await temporaryStore();
  const overlays = temporary.store.snapshotter("overlayfs");
  await overlays.prepare(scope, "a", "", {});
  await overlays.commit(scope, "low", "a", {});
  await overlays.prepare(scope, "b", "low", {});
  await overlays.commit(scope, "high", "b", {});
  rmSync(join(temporary.root, "io.containerd.snapshotter.v1.overlayfs/snapshots/1"), { recursive: true });
  await fails(() => overlays.prepare(scope, "new", "high", {}), "unknown", 'of snapshot "low" is missing');
});

it("a blob without its file is not found, and its digest is named", async () => {
  await using temporary = await temporaryStore();
  const digest = await put(temporary.store, "content");
  rmSync(join(temporary.root, "io.containerd.content.v1.content/blobs/sha256", digest.slice("sha256:".length)));
  await fails(() => temporary.store.content.path(scope, digest), "not-found", `${digest}: not found: it is damaged`);
});

it("a database with a damaged page is named, with what to do, or is not used", async () => {
  await using temporary = await temporaryStore();
  for (let at = 0; at < 20; at++) await put(temporary.store, `blob ${at}`);
  await temporary.store.close();
  const path = join(temporary.root, "io.berth.metadata.v1.sqlite/meta.db");
  const fd = openSync(path, "r+");
  const pages = Math.min(12, statSync(path).size / 4096);
  for (let page = 1; page < pages; page++) writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, page * 4096);
  const error = await temporary.reopen().then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.equal(kindOf(error), "data-loss");
  assert.match(messageOf(error), /database .*meta\.db is damaged \(.*\): stop berthd and /);
});

for (const [suffix, said] of [
  ["-wal", "unable to open database file"],
  ["-journal", "disk I/O error"],
] as const)
  it(`a database with a directory in the place of its ${suffix} file is named`, async () => {
    await using temporary = await temporaryStore();
    await put(temporary.store, "content");
    await temporary.store.close();
    const path = join(temporary.root, "io.berth.metadata.v1.sqlite/meta.db");
    rmSync(`${path}${suffix}`, { force: true });
    mkdirSync(join(`${path}${suffix}`, "x"), { recursive: true });
    const message = `the database ${path} cannot be read or written (${said})`;
    await fails(() => temporary.reopen(), "unknown", message);
  });
