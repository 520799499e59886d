// The store survives SIGKILL at any point: what was acknowledged is there, and nothing else is left.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { isNotFound, silent, systemClock } from "@berth/base";
import { openStore, type Store } from "@berth/store";

const KILLS = Number(process.env.BERTH_STORE_KILLS ?? (process.env.BERTH_LONG ? 200 : 30));
const scope = { namespace: "kill", lease: "" };

interface Line {
  ready?: boolean;
  begin: boolean;
  kind: string;
  id: string;
  outcome: "present" | "absent";
}

/** What the child did until it was killed, a few milliseconds after it was ready. */
/** The child is killed shortly after one of so many lines. */
const MOST_LINES = 24;

async function runAndKill(root: string, run: number): Promise<Line[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "kill-child.ts"), root, String(run)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: Line[] = [];
  const last = 1 + Math.floor(Math.random() * MOST_LINES);
  const done = new Promise<NodeJS.Signals | null>((resolve) => child.once("close", (_code, signal) => resolve(signal)));
  for await (const text of createInterface({ input: child.stdout })) {
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
    } catch {
      break; // The last line may be cut off: it is not an acknowledgement.
    }
    if (line.ready) continue;
    lines.push(line);
    // Counted in lines, of which a change has two: a slow machine is killed in the middle of as many.
    if (lines.length === last) setTimeout(() => child.kill("SIGKILL"), Math.random() * 5);
  }
  assert.equal(await done, "SIGKILL", "the child must end by our signal, not by an error of its own");
  return lines;
}

function isThere(store: Store, kind: string, id: string): boolean {
  const snapshots = store.snapshotter(store.snapshotters[0] ?? "");
  try {
    if (kind === "content") store.content.info(scope, id);
    else if (kind === "snapshot") snapshots.stat(scope, id);
    else store.containers.get(scope, id);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function checkDisk(store: Store, root: string): Promise<void> {
  const content = store.content.list(scope, []);
  for (const { digest, size } of content) {
    const bytes = readFileSync(await store.content.path(scope, digest));
    assert.equal(bytes.length, size);
    assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, digest);
  }
  const blobs = readdirSync(join(root, "io.containerd.content.v1.content/blobs/sha256")).map((hex) => `sha256:${hex}`);
  assert.deepEqual(blobs.sort(), content.map(({ digest }) => digest).sort(), "files of blobs are those recorded");
  const snapshots = store.snapshotter(store.snapshotters[0] ?? "");
  const known = new Set<string>();
  for (const { name } of snapshots.list(scope, [])) {
    const [own = ""] = snapshots.directories(scope, name);
    readdirSync(own);
    known.add(/snapshots\/(\d+)/.exec(own)?.[1] ?? "");
  }
  const found = readdirSync(join(root, `io.containerd.snapshotter.v1.${snapshots.name}/snapshots`));
  assert.deepEqual(new Set(found), known, "directories of snapshots are those recorded");
  for (const { snapshotKey } of store.containers.list(scope, [])) snapshots.stat(scope, snapshotKey);
}

test(`a store that is killed ${KILLS} times has what it acknowledged and nothing else`, async () => {
  const root = mkdtempSync(join(tmpdir(), "berth-store-kill-"));
  /** Null: it was under way, either is right. */
  const expected = new Map<string, "present" | "absent" | null>();
  let acknowledged = 0;
  let cut = 0;
  try {
    for (let run = 0; run < KILLS; run++) {
      for (const { begin, kind, id, outcome } of await runAndKill(root, run)) {
        expected.set(`${kind} ${id}`, begin ? null : outcome);
        if (!begin) acknowledged++;
      }
      await using store = await openStore({ root, clock: systemClock, log: silent });
      for (const [what, outcome] of expected) {
        const [kind = "", id = ""] = what.split(" ");
        const there = isThere(store, kind, id);
        if (outcome === null) {
          cut++;
          expected.set(what, there ? "present" : "absent");
        } else {
          assert.equal(there ? "present" : "absent", outcome, `${what} after kill ${run}`);
        }
      }
      await store.collector.collect();
      await checkDisk(store, root);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  assert.ok(acknowledged > KILLS, `${acknowledged} changes were acknowledged`);
  assert.ok(cut > 0, "some change was cut off");
});
