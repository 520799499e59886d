import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { readFileInSnapshot, readLinkInSnapshot } from "@berth/store";
import { fails } from "./support.ts";

/** Layers, topmost first: path to text; `-> x` is a link, `whiteout` a whiteout. */
function layered(
  ...layers: Record<string, string>[]
): Disposable & { read(path: string): Promise<string | null>; link(path: string): string | null } {
  const top = mkdtempSync(join(tmpdir(), "berth-layers-"));
  const directories = layers.map((files, i) => {
    const directory = join(top, String(i));
    mkdirSync(directory);
    for (const [path, text] of Object.entries(files)) {
      const at = join(directory, path);
      mkdirSync(dirname(at), { recursive: true });
      if (text.startsWith("-> ")) symlinkSync(text.slice(3), at);
      else if (text === "whiteout") execFileSync("mknod", [at, "c", "0", "0"]);
      else if (text === "fifo") execFileSync("mkfifo", [at]);
      else writeFileSync(at, text);
    }
    return directory;
  });
  return {
    async read(path) {
      const bytes = await readFileInSnapshot(directories, path, 100);
      return bytes && Buffer.from(bytes).toString();
    },
    link: (path) => readLinkInSnapshot(directories, path),
    [Symbol.dispose]: () => rmSync(top, { recursive: true }),
  };
}

it("the topmost file is read, and absent ones are null", async () => {
  using tree = layered({ "etc/a": "top" }, { "etc/a": "low", "etc/b": "b" });
  assert.equal(await tree.read("/etc/a"), "top");
  assert.equal(await tree.read("etc/b"), "b");
  assert.equal(await tree.read("/etc/none"), null);
  assert.equal(await tree.read("/etc"), null);
  assert.equal(await tree.read("/etc/a/b"), null);
  assert.equal(await tree.read("/"), null);
});

it("links are followed inside the root only", async () => {
  using tree = layered(
    { "etc/passwd": "-> ../../../../../../../real/passwd", abs: "-> /real", loop: "-> loop", host: "-> /etc/hostname" },
    { "real/passwd": "root", "real/sub/x": "x", "real/up": "-> ../etc/passwd" },
  );
  assert.equal(await tree.read("/etc/passwd"), "root");
  assert.equal(await tree.read("/abs/passwd"), "root");
  assert.equal(await tree.read("/abs/up"), "root");
  assert.equal(await tree.read("/abs/sub/../../real/passwd"), "root");
  assert.equal(await tree.read("/../../etc/passwd"), "root");
  assert.equal(await tree.read("/loop"), null);
  assert.equal(await tree.read("/host"), null);
});

it("a link says what it says, and is found in the topmost layer only", () => {
  using tree = layered(
    { a: "-> top", d: "whiteout", "e/x": "" },
    { a: "-> low", d: "-> hidden", e: "-> under", l: "-> /x" },
  );
  assert.equal(tree.link("/a"), "top");
  assert.equal(tree.link("/l"), "/x");
  for (const none of ["/d", "/e", "/e/x", "/none", "/a/b", "/"]) assert.equal(tree.link(none), null, none);
});

it("a file hides a directory below, and a directory a file", async () => {
  using tree = layered({ a: "file", "b/x": "x" }, { "a/x": "hidden", b: "hidden" }, { "b/y": "hidden too" });
  assert.equal(await tree.read("/a"), "file");
  assert.equal(await tree.read("/a/x"), null);
  assert.equal(await tree.read("/b/x"), "x");
  assert.equal(await tree.read("/b/y"), null);
});

it("whiteouts hide what is below", { skip: process.getuid?.() !== 0 }, async () => {
  using tree = layered({ "etc/a": "whiteout", dir: "whiteout" }, { "etc/a": "gone", "dir/x": "gone", "etc/b": "b" });
  assert.equal(await tree.read("/etc/a"), null);
  assert.equal(await tree.read("/dir/x"), null);
  assert.equal(await tree.read("/etc/b"), "b");
});

it("what could never be read to its end is refused, and so is what is too long", async () => {
  using tree = layered({
    pipe: "fifo",
    long: "x".repeat(101),
    zero: "-> dev/zero",
    kmsg: "-> /etc/../proc/kmsg",
    "etc/a": "a",
    x: "-> pipe",
  });
  await fails(() => tree.read("/pipe"), "invalid-argument", "/pipe is a fifo, not a file");
  await fails(() => tree.read("/x"), "invalid-argument", "/x is a fifo, not a file");
  await fails(() => tree.read("/zero"), "invalid-argument", "/zero is a link to /dev/zero, not a file");
  await fails(() => tree.read("/kmsg"), "invalid-argument");
  await fails(() => tree.read("/long"), "resource-exhausted", "/long");
  await fails(() => tree.read("/a\0b"), "invalid-argument");
});
