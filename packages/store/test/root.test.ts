// Whose directories berth uses, and how it knows that its database is the one that it had.
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { type ErrorKind, silent, systemClock } from "@berth/base";
import { openStore, type Store, type StoreOptions } from "@berth/store";
import { fails, put, recordingLog, scope } from "./support.ts";

const DATABASE = "io.berth.metadata.v1.sqlite/meta.db";
const TASKS = "io.containerd.runtime.v2.task";

interface Places extends Disposable {
  readonly top: string;
  readonly root: string;
  readonly state: string;
  open(options?: Partial<StoreOptions>): Promise<Store>;
}

function places(top = mkdtempSync(join(tmpdir(), "berth-root-"))): Places {
  const root = join(top, "root");
  const state = join(top, "state");
  return {
    top,
    root,
    state,
    open: (options) =>
      openStore({
        root,
        state,
        clock: systemClock,
        log: silent,
        gc: { startupDelayMs: 1e9, mutationThreshold: 0, deletionThreshold: 0 },
        ...options,
      }),
    [Symbol.dispose]: () => rmSync(top, { recursive: true, force: true }),
  };
}

/** Every path below, of files with their size and time: what must not change. */
const treeOf = (top: string): string[] =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .map((path) => {
      const stat = lstatSync(join(top, path));
      return stat.isFile() ? `${path} ${stat.size} ${stat.mtimeMs}` : path;
    })
    .sort();

/** As a process that was killed leaves it: the log of the database is not written back. */
async function killed(change: (store: Store) => Promise<void>): Promise<Places> {
  using living = places();
  const copy = places();
  await using store = await living.open();
  await change(store);
  cpSync(living.top, copy.top, { recursive: true, preserveTimestamps: true });
  return copy;
}

async function refuses(at: Places, kind: ErrorKind, ...said: string[]): Promise<void> {
  const before = treeOf(at.top);
  for (const text of said) await fails(() => at.open(), kind, text);
  assert.deepEqual(treeOf(at.top), before, "what is refused is left as it was");
}

function make(top: string, paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    if (path.endsWith("/")) mkdirSync(join(top, path), { recursive: true });
    else writeFileSync(join(top, path), "x");
  }
}

describe("a directory that is not berth's is refused by the name of its owner, and left as it was", () => {
  for (const [which, names, owner] of [
    [
      "root",
      ["io.containerd.metadata.v1.bolt/meta.db", "io.containerd.content.v1.content/blobs/sha256/ab"],
      "looks like containerd's",
    ],
    ["root", ["io.containerd.content.v1.content/blobs/sha256/ab"], "looks like containerd's"],
    ["root", ["image/x", "overlay2/x", "containers/x", "network/x"], "looks like Docker's"],
    ["root", ["overlay-images/images.json"], "looks like that of Podman or CRI-O"],
    ["root", ["precious.txt"], "is not berth's and not empty (it has precious.txt)"],
    ["state", ["containerd.sock", `${TASKS}/k8s.io/`], "looks like containerd's"],
    ["state", ["docker.pid", "netns/"], "looks like Docker's"],
    ["state", ["a", "b", "c", "d"], "is not berth's and not empty (it has a, b, c and more)"],
  ] as const)
    it(`${which} with ${names[0]}`, async () => {
      using at = places();
      make(at[which], names);
      await refuses(at, "failed-precondition", `${which} directory ${at[which]} ${owner}`, `--${which}`);
    });

  it("a file", async () => {
    using at = places();
    writeFileSync(at.root, "");
    await refuses(at, "failed-precondition", `${at.root} is a file`);
  });

  it("containerd's tasks are known by their root", async () => {
    using at = places();
    make(at.state, [`${TASKS}/k8s.io/pod/config.json`]);
    symlinkSync(`/var/lib/containerd/${TASKS}/k8s.io/pod`, join(at.state, TASKS, "k8s.io/pod/work"));
    await refuses(at, "failed-precondition", `state directory ${at.state} looks like containerd's`);
  });
});

describe("a directory that may be taken", () => {
  it("is empty, or has in it what mkfs and we ourselves put there", async () => {
    using at = places();
    make(at.root, ["lost+found/", "run/", "b.sock"]);
    const state = join(at.root, "run");
    const others = [join(at.root, "b.sock")];
    for (let round = 0; round < 2; round++) await (await at.open({ state, others })).close();
    assert.match(readFileSync(join(at.root, "io.berth.json"), "utf8"), /"kind": "root"/);
    assert.match(readFileSync(join(state, "io.berth.json"), "utf8"), /"kind": "state"/);
  });

  it("was begun by a start that was cut off", async () => {
    using at = places();
    make(at.root, ["io.berth.metadata.v1.sqlite/"]);
    new DatabaseSync(join(at.root, DATABASE)).close();
    await (await at.open()).close();
  });

  it("is from before the marker, or has lost it, and its database is whole: once, with a line in the log", async () => {
    using at = places();
    const first = await at.open();
    const digest = await put(first, "kept");
    await first.close();
    make(at.state, [`${TASKS}/test/one/berth.json`]);
    symlinkSync(`${at.root}/${TASKS}/test/one`, join(at.state, TASKS, "test/one/work"));
    for (const damage of [
      () => rmSync(join(at.root, "io.berth.json")),
      () => writeFileSync(join(at.root, "io.berth.json"), "{"),
      () => rmSync(join(at.state, "io.berth.json")),
      () => {
        rmSync(join(at.root, "io.berth.json"));
        const db = new DatabaseSync(join(at.root, DATABASE));
        db.exec("DELETE FROM meta WHERE key = 'id'; PRAGMA application_id = 0");
        db.close();
        rmSync(join(at.state, "io.berth.json"));
      },
    ]) {
      damage();
      const { log, lines } = recordingLog();
      const store = await at.open({ log });
      assert.equal(store.content.info(scope, digest).size, 4);
      await store.close();
      assert.ok(lines.some(({ level, sentence }) => level === "warn" && /without its marker is taken/.test(sentence)));
      await (await at.open()).close();
    }
  });
});

describe("a database that is not the one that the root had is recognised before anything is removed", () => {
  const fill = async (store: Store) => {
    for (const text of ["a", "b", "c"]) await put(store, text, { "containerd.io/gc.root": "yes" });
  };

  it("a killed process leaves everything there", async () => {
    using at = await killed(fill);
    await using store = await at.open();
    assert.equal(store.content.list(scope, []).length, 3);
  });

  const wal = (at: Places) => join(at.root, `${DATABASE}-wal`);
  const faults: Record<string, [(at: Places) => void | Promise<void>, string]> = {
    "it is missing": [(at) => rmSync(join(at.root, DATABASE)), "is lost"],
    "its folder is missing": [(at) => rmSync(dirname(join(at.root, DATABASE)), { recursive: true }), "is lost"],
    "it is empty": [(at) => truncateSync(join(at.root, DATABASE)), "is lost"],
    "it is something else": [(at) => writeFileSync(join(at.root, DATABASE), "x".repeat(5000)), "is damaged"],
    "its log is gone": [(at) => rmSync(wal(at)), "its -wal is gone"],
    "its log is empty": [(at) => truncateSync(wal(at)), "its -wal is gone"],
    "its log has a flipped bit": [
      (at) => {
        const bytes = readFileSync(wal(at));
        // In the frame of a page (https://sqlite.org/fileformat2.html#walformat): SQLite ends there, without a word.
        const at_ = 32 + 8 * (24 + 4096) + 1000;
        bytes[at_] = (bytes[at_] ?? 0) ^ 1;
        writeFileSync(wal(at), bytes);
      },
      "of its last changes are missing",
    ],
    "its log is cut short": [(at) => truncateSync(wal(at), 32 + 8 * (24 + 4096)), "of its last changes are missing"],
    "its log is gone, and the machine was restarted": [
      (at) => {
        rmSync(wal(at));
        rmSync(at.state, { recursive: true });
      },
      "its -wal is gone",
    ],
    "it is another root's": [
      async (at) => {
        using other = places();
        await (await other.open()).close();
        cpSync(join(other.root, DATABASE), join(at.root, DATABASE));
      },
      "is not that of root directory",
    ],
    "it is truncated": [
      async (at) => {
        await (await at.open()).close();
        const path = join(at.root, DATABASE);
        truncateSync(path, statSync(path).size - 4096);
      },
      "is truncated",
    ],
    "it is of an earlier day": [
      async (at) => {
        await (await at.open()).close();
        const old = readFileSync(join(at.root, DATABASE));
        const later = await at.open();
        await put(later, "of the next day");
        await later.close();
        writeFileSync(join(at.root, DATABASE), old);
      },
      "is older than it was",
    ],
  };
  for (const [what, [fault, said]] of Object.entries(faults))
    it(what, async () => {
      using at = await killed(fill);
      await fault(at);
      await refuses(at, "data-loss", said, "berthd recover");
    });

  it("a log that another tool has written back is not missed", async () => {
    using at = await killed(fill);
    const tool = new DatabaseSync(join(at.root, DATABASE));
    tool.exec("SELECT * FROM meta");
    tool.close();
    assert.ok(!existsSync(wal(at)));
    await using store = await at.open();
    assert.equal(store.content.list(scope, []).length, 3);
  });

  it("two roots that were exchanged are told apart by the state directory", async () => {
    using one = places();
    using two = places();
    for (const at of [one, two]) await (await at.open()).close();
    make(one.state, [`${TASKS}/test/web/berth.json`]);
    symlinkSync(`${one.root}/${TASKS}/test/web`, join(one.state, TASKS, "test/web/work"));
    const aside = join(one.top, "aside");
    renameSync(one.root, aside);
    renameSync(two.root, one.root);
    await refuses(one, "failed-precondition", `state directory ${one.state} belongs to another berth`, "1 task");
    // Nor is a new one begun under containers that run.
    rmSync(one.root, { recursive: true });
    await refuses(
      one,
      "failed-precondition",
      `state directory ${one.state} belongs to another berth`,
      "berthd recover",
    );
    renameSync(aside, one.root);
    await (await one.open()).close();
  });

  it("root and state directory cannot be exchanged either, nor a later format be used", async () => {
    using at = places();
    await (await at.open()).close();
    await fails(() => at.open({ root: at.state, state: at.root }), "failed-precondition", "exchange the two");
    writeFileSync(join(at.root, "io.berth.json"), JSON.stringify({ format: 2, kind: "root", id: "x" }));
    await fails(() => at.open(), "failed-precondition", "has format 2");
  });
});
