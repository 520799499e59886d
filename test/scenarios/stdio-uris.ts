// The forms that a stdio URI may have, and the files that it may name.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, refused } from "./expect.ts";
import { area, scenario } from "./scenario.ts";

/** It stays: the Go shim closes the file at the end of stdout, and loses what it has not yet read of stderr. */
const both = ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"];

/** What is named, as a URI in `dir`, and the name that the file then has there. */
const files: readonly [what: string, uri: (dir: string) => string, name: string][] = [
  ["a host", (dir) => `file://localhost${dir}/log`, "log"],
  ["a user, a host and a port", (dir) => `file://u:p@h:8${dir}/log`, "log"],
  ["one slash", (dir) => `file:${dir}/log`, "log"],
  ["three slashes", (dir) => `file:///${dir}/log`, "log"],
  ["capital letters", (dir) => `FiLe://${dir}/log`, "log"],
  ["a fragment", (dir) => `file://${dir}/log#part`, "log"],
  ["a query", (dir) => `file://${dir}/log?max-size=1`, "log"],
  ["a mark and nothing behind it", (dir) => `file://${dir}/log?`, "log"],
  ["a query with a wrong escape", (dir) => `file://${dir}/log?a=%zz`, "log"],
  ["escapes", (dir) => `file://${dir}/a%20b%23c%3fd%2B`, "a b#c?d+"],
  ["an escaped slash", (dir) => `file://${dir}/new%2flog`, "new/log"],
  ["a plus sign", (dir) => `file://${dir}/a+b`, "a+b"],
  ["a blank, and letters of other alphabets", (dir) => `file://${dir}/a bä漢`, "a bä漢"],
  ["a scheme inside of it", (dir) => `file://${dir}/file://x`, "file:/x"],
];

/** Texts that are paths as they stand. */
const names = ["a#b", "a?b=c", "a%20b", "a+b c", "x:/y", "a&b;c'd\"e\\f"];

const refusals: readonly [what: string, uri: (dir: string) => string, text: RegExp][] = [
  ["an escape that is none", (dir) => `file://${dir}/%zz`, /invalid URL escape "%zz"/],
  ["an escape that is cut off", (dir) => `file://${dir}/x%2`, /invalid URL escape "%2"/],
  ["a wrong escape in a fragment", (dir) => `file://${dir}/x#%`, /invalid URL escape "%"/],
  ["a path with an escape that is none", (dir) => `${dir}/%zz`, /invalid URL escape "%zz"/],
  ["a newline", (dir) => `file://${dir}/a\nb`, /invalid control character in URL/],
  ["a port that is none", (dir) => `file://h:x${dir}/log`, /invalid port ":x" after host/],
  ["half a bracket", (dir) => `file://[::1${dir}/log`, /missing '\]' in host/],
  ["an escape in the host", (dir) => `file://a%20b${dir}/log`, /invalid URL escape "%20"/],
  ["no scheme", (dir) => `://${dir}/log`, /missing protocol scheme/],
  ["a scheme that begins with a digit", (dir) => `1f://${dir}/log`, /first path segment in URL cannot contain colon/],
  ["a scheme that nobody knows", (dir) => `a:${dir}/log`, /unknown STDIO scheme a/],
  ["no slash behind the scheme", () => "file:log", /open.*no such file or directory/],
  ["nothing behind the scheme", () => "file://", /open.*no such file or directory/],
  ["a directory", (dir) => `file://${dir}`, /is a directory/],
  ["a path below a file", (dir) => `file://${dir}/file/log`, /not a directory/],
  ["a path that goes through what is not there", (dir) => `file://${dir}/none/../log`, /no such file or directory/],
  ["a path where nothing can be made", () => "file:///proc/none/deep/log", /no such file or directory/],
];

export const stdioUris = area("stdio URIs", [
  ...files.map(([what, uri, name]) =>
    scenario(`file: with ${what}`, async (w) => {
      const path = join(w.dir, name);
      const box = await w.box(both);
      await box.up({ stdout: uri(w.dir), stderr: uri(w.dir) });
      const lines = () => (existsSync(path) ? readFileSync(path, "utf8").split("\n").sort() : []);
      await eventually(`both are in ${path}`, () => lines().length >= 3);
      await box.down();
      assert.deepEqual(lines(), ["", "err", "out"]);
    }),
  ),
  ...names.map((name) =>
    scenario(`a plain path with ${name} in it`, async (w) => {
      const path = join(w.dir, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "");
      const box = await w.box(both);
      await box.up({ stdout: path, stderr: path });
      await eventually("both are there", () => readFileSync(path, "utf8").length >= 8);
      await box.down();
    }),
  ),
  ...refusals.map(([what, uri, text]) =>
    scenario(`refused: ${what}`, async (w) => {
      writeFileSync(join(w.dir, "file"), "");
      const box = await w.box(both);
      await refused(box.create({ stdout: uri(w.dir), stderr: uri(w.dir) }), "unknown", text);
      assert.ok(!existsSync(w.bundle(box.id)));
    }),
  ),
  scenario("file: to /dev/null", async (w) => {
    const box = await w.box(["sh", "-c", "echo out; echo err >&2"]);
    await box.up({ stdout: "file:///dev/null", stderr: "file:///dev/null" });
    assert.equal(await box.wait(), 0);
  }),
  scenario("file: to a link, and to one that names nothing yet", async (w) => {
    for (const name of ["there", "not-yet"]) {
      if (name === "there") writeFileSync(join(w.dir, name), "before\n");
      symlinkSync(name, join(w.dir, `${name}-link`));
      const box = await w.box(["echo", "after"]);
      await box.up({ stdout: `file://${w.dir}/${name}-link`, stderr: `file://${w.dir}/${name}-link` });
      await box.wait();
      await box.delete();
      assert.equal(readFileSync(join(w.dir, name), "utf8"), name === "there" ? "before\nafter\n" : "after\n");
    }
  }),
  scenario("binary: with a query of every kind", async (w) => {
    const path = join(w.dir, "logger");
    const seen = join(w.dir, "seen");
    // One argument in a line. Go passes the pairs in no order.
    writeFileSync(
      path,
      `#!/bin/sh\nprintf '<%s>\\n' "$@" >${seen}.part\nmv ${seen}.part ${seen}\nexec 5>&-\ncat <&3\ncat <&4\n`,
    );
    chmodSync(path, 0o755);
    const query = "a=1&b=x%20y+z&a=2&flag&=nameless&c=%zz&d=1;e=2&f=&&g=h=i&%6b=l#part";
    const box = await w.box(both);
    await box.up({ stdout: `binary://host${path}?${query}` });
    await eventually("it has started", () => existsSync(seen));
    const words = readFileSync(seen, "utf8").trim().split("\n");
    const pairs = Array.from({ length: words.length / 2 }, (_, i) => `${words[2 * i]}=${words[2 * i + 1]}`);
    assert.deepEqual(pairs.sort(), [
      "<>=<nameless>",
      "<a>=<1>",
      "<b>=<x y z>",
      "<f>=<>",
      "<flag>=<>",
      "<g>=<h=i>",
      "<k>=<l>",
    ]);
    await box.down();
  }),
]);
