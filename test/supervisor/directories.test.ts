// What berthd does with directories that are not its own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { berthdPath, startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";

const run = promisify(execFile);

const treeOf = (top: string): string[] =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .map((path) => `${path} ${lstatSync(join(top, path)).ino}`)
    .sort();

const refusalOf = (...args: string[]): Promise<string> =>
  run(berthdPath, args, { timeout: 20_000 }).then(
    () => assert.fail("berthd should not have served"),
    ({ stderr, code }: { stderr: string; code: number }) => {
      assert.equal(code, 1, stderr);
      return stderr;
    },
  );

it("containerd's directories are refused, whichever of them berthd is given, and containerd goes on", {
  skip: !hasContainerd(),
}, async () => {
  await using containerd = await startContainerd();
  const own = mkdtempSync("/run/berth-dir-");
  try {
    const archive = join(own, "busybox.tar");
    writeBusyboxImage(archive, { format: "oci", name: "docker.io/library/busybox:latest" });
    await containerd.ctr("image", "import", archive);
    await containerd.end("SIGTERM");
    const config = join(containerd.dir, "config.toml");
    const before = [treeOf(containerd.root), treeOf(containerd.state)];
    const said = await refusalOf("--config", config);
    assert.match(
      said,
      /^berthd: root directory \S+ looks like containerd's \(it has io\.containerd\.\S+\): give [^\n]+\n$/m,
    );
    const state = await refusalOf("--config", config, "--root", join(own, "root"));
    assert.match(state, /^berthd: state directory \S+ (looks like containerd's|is not berth's)[^\n]*--state[^\n]*\n$/m);
    assert.deepEqual([treeOf(containerd.root), treeOf(containerd.state)], before);
    await containerd.restart();
    assert.match(await containerd.ctr("image", "ls", "-q"), /busybox/);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});

it("a state directory of another berth is refused while that one serves, and after it was killed", async () => {
  await using one = await startBerthd();
  const own = mkdtempSync("/run/berth-dir-");
  const args = ["--root", join(own, "root"), "--state", one.state, "--address", join(own, "b.sock")];
  try {
    for (const ended of [false, true]) {
      if (ended) await one.end();
      assert.match(await refusalOf(...args), /^berthd: state directory \S+ belongs to another berth than root/);
      assert.deepEqual(readdirSync(own), []);
    }
    await one.restart();
    await one.ctr("version");
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});

it("what lies in the place of a directory or file of berth's is named, and nothing of it is lost", async () => {
  await using one = await startBerthd();
  await one.end();
  const { root } = one;
  const args = ["--config", "/dev/null", "--root", root, "--state", one.state, "--address", one.address];
  const database = "io.berth.metadata.v1.sqlite/meta.db";
  const cases = [
    [
      "io.berth.copies.v1",
      "file",
      /^berthd: \S+\/io\.berth\.copies\.v1 is no directory, and berth keeps one there: move it/m,
    ],
    [
      "io.containerd.content.v1.content",
      "file",
      /^berthd: \S+\.content is no directory, and berth keeps one there: move it/m,
    ],
    [
      "io.containerd.snapshotter.v1.native",
      "file",
      /^berthd: \S+\.native is no directory, and berth keeps one there: move/m,
    ],
    [
      "io.containerd.runtime.v2.task",
      "file",
      /^berthd: \S+\.task is no directory, and berth keeps one there: move it away/m,
    ],
    [
      database,
      "directory",
      /^berthd: the database of root directory \S+ is lost \(\S+meta\.db is no file\): move that away/m,
    ],
  ] as const;
  for (const [name, kind, words] of cases) {
    const path = join(root, name);
    renameSync(path, `${path}.kept`);
    if (kind === "file") writeFileSync(path, "precious");
    else mkdirSync(path);
    assert.match(await refusalOf(...args), words);
    if (kind === "file") assert.equal(readFileSync(path, "utf8"), "precious");
    rmSync(path, { recursive: true });
    renameSync(`${path}.kept`, path);
  }
  await one.restart();
  await one.ctr("version");
});
