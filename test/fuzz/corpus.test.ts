// Inputs with which runs have found mistakes, fed again to the readers that they broke.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { parsers, spent } from "./parsers.ts";
import { feed } from "./reader.ts";

interface Found {
  readonly reader: string;
  readonly text: string;
}

const corpus: readonly Found[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "corpus/bundle-files.json"), "utf8"),
);

for (const { reader, text } of corpus)
  it(`${reader} with ${JSON.stringify(text)}`, async () => {
    const parser = parsers.find(({ name }) => name === reader);
    assert.ok(parser, `there is a reader of ${reader}`);
    await feed(parser, new TextEncoder().encode(text), spent);
  });
