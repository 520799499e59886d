// Whatever is written into a configuration of registries is read, or refused with a sentence.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BerthError, messageOf } from "@berth/base";
import fc from "fast-check";
import { createEndpoints, createExplain } from "../src/registry/hosts/create-endpoints.ts";
import { parseHosts } from "../src/registry/hosts/hosts-file.ts";
import { plantTree, settingsOf } from "./registry-hosts-tree.ts";

const marks = ["[", "]", "{", "}", '"', "'", '"""', "'''", "=", ".", ",", "#", "\\", "\n", "\r\n", "\0", " "];
const words = ["host", "server", "ca", "client", "header", "capabilities", "dial_timeout", "pull", "__proto__"];
const values = ['"30s"', "true", "inf", "1979-05-27 07:32:00", "[]", '["pull"]', '[["a", "b"]]', "{ a.b = [{}] }"];
const urls = ['"https://m.example"', "'localhost:5000'", "'''\n[x]'''", '""'];

const scraps = fc
  .array(fc.oneof(fc.constantFrom(...marks, ...words, ...values, ...urls), fc.string({ unit: "binary", maxLength: 4 })))
  .map((parts) => parts.join(""));

const key = fc.oneof(
  fc.constantFrom(...words, ...urls.slice(0, 2)),
  fc.string().map((text) => JSON.stringify(text)),
);
const line = fc.oneof(
  fc.tuple(key, fc.constantFrom(...values, ...urls)).map(([name, value]) => `${name} = ${value}`),
  fc.array(key, { minLength: 1, maxLength: 3 }).map((path) => `[host.${path.join(".")}]`),
);
const lines = fc.array(line, { maxLength: 6 }).map((all) => all.join("\n"));

function readOrRefused(text: string): void {
  try {
    for (const { source } of parseHosts(text, "hosts.toml").entries)
      assert.ok(source.line > 0 || source.file === "the default", text);
  } catch (error) {
    assert.ok(error instanceof BerthError, `${JSON.stringify(text)}: ${messageOf(error)}`);
  }
}

describe("is read or refused:", () => {
  it("scraps of TOML", () => fc.assert(fc.property(scraps, readOrRefused), { numRuns: 1000 }));

  it("lines of TOML", () => fc.assert(fc.property(lines, readOrRefused), { numRuns: 1000 }));

  it("bytes in a file", async () => {
    await using tree = await plantTree({ "a/docker.io/": "" });
    const endpointsOf = createEndpoints(settingsOf({ roots: "a" }, tree.root));
    const bytes = fc.oneof(
      fc.uint8Array(),
      scraps.map((text) => Buffer.from(text)),
    );
    const property = fc.asyncProperty(bytes, async (written) => {
      await writeFile(join(tree.root, "a/docker.io/hosts.toml"), written);
      await endpointsOf("docker.io").catch((error) => assert.ok(error instanceof BerthError, messageOf(error)));
    });
    await fc.assert(property, { numRuns: 100 });
  });

  it("tables in settings", () => {
    const names = fc.constantFrom("auth", "tls", "endpoint", "username", "ca_file", "docker.io", "*");
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof(fc.string(), fc.boolean(), fc.double(), fc.array(tie("node")), tie("table")),
      table: fc.dictionary(fc.oneof(fc.string(), names), tie("node")),
    }));
    const property = fc.property(node, node, node, fc.string(), (mirrors, configs, headers, mirror) => {
      try {
        createExplain(settingsOf({ mirrors, configs, headers, mirror }));
      } catch (error) {
        assert.ok(error instanceof BerthError, messageOf(error));
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  for (const [title, text] of [
    ["lists in lists", `ca = ${"[".repeat(100_000)}`],
    ["lists in lists, to the depth that the parser takes", `ca = ${"[".repeat(999)}${"]".repeat(999)}`],
    ["a key of many parts", `ca${".a".repeat(100_000)} = 1`],
    ["many hosts", Array.from({ length: 5_000 }, (_, at) => `[host."https://m${at}.example"]`).join("\n")],
    ["a long string", `x = """${"\\n".repeat(100_000)}"""`],
    ["a long address", `server = "${"a@".repeat(100_000)}"`],
  ] as const)
    it(title, () => readOrRefused(text));
});
