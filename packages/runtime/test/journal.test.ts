import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { type Journal, readJournal, writeJournal } from "../src/journal.ts";

const journal: Journal = {
  version: 1,
  bootId: "boot",
  launchId: "launch",
  shim: "/shim",
  phase: "created",
  address: "unix:///s",
  api: 3,
  shimProcess: null,
  init: null,
  exit: { pid: 7, status: 1, at: 1_700_000_000_123_456_789n },
  outOfMemory: false,
  attended: { "": { directory: "/run/fifo/berth-1", left: true } },
};

function withBundle(test: (bundle: string) => void): void {
  const bundle = mkdtempSync(join(tmpdir(), "berth-journal-"));
  try {
    test(bundle);
  } finally {
    rmSync(bundle, { recursive: true });
  }
}

it("keeps the time of an exit to the nanosecond", () =>
  withBundle((bundle) => {
    writeJournal(bundle, journal);
    assert.deepEqual(readJournal(bundle), journal);
  }));

it("takes one that is damaged for none", () =>
  withBundle((bundle) => {
    const text = JSON.stringify(journal, (_, value) => (typeof value === "bigint" ? String(value) : value));
    const damaged = ["", "{", "null", "[]", text.slice(0, 40), text.replace("unix:///s", "s")];
    const fields = { phase: "done", api: 4, init: 7, shim: null, exit: { pid: 1, status: "0", at: "1" }, address: "" };
    for (const [name, value] of Object.entries(fields))
      damaged.push(JSON.stringify({ ...JSON.parse(text), [name]: value }));
    for (const written of damaged) {
      writeFileSync(join(bundle, "berth.json"), written);
      assert.equal(readJournal(bundle), null, written);
    }
  }));

it("reads the milliseconds of version 0.1", () =>
  withBundle((bundle) => {
    writeFileSync(
      join(bundle, "berth.json"),
      JSON.stringify({ ...journal, exit: { pid: 7, status: 1, at: 1_700_000_000_123 } }),
    );
    assert.deepEqual(readJournal(bundle)?.exit, { pid: 7, status: 1, at: 1_700_000_000_123_000_000n });
  }));
