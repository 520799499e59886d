import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DetachKeys } from "../src/attach/detach-keys.ts";
import { formatAgo, formatDuration, parseDuration } from "../src/cli/duration.ts";
import { formatSize, parseSize } from "../src/cli/size.ts";
import { UsageError } from "../src/cli/usage-error.ts";
import { describeState, stateWord } from "../src/print/describe-state.ts";
import { displayWidth, shortened } from "../src/print/display-width.ts";
import { jsonValue } from "../src/print/json.ts";
import { layoutTable, printable } from "../src/print/table.ts";

describe("sizes", () => {
  for (const [given, bytes] of [
    ["0", 0],
    ["65536", 65_536],
    ["512m", 512 * 1024 ** 2],
    ["1.5g", 1.5 * 1024 ** 3],
    ["2KiB", 2048],
    ["2kb", 2048],
    ["3b", 3],
    ["1T", 1024 ** 4],
  ] as const)
    it(`${given} is ${bytes} bytes`, () => assert.equal(parseSize(given), bytes));

  for (const given of ["", "m", "-1", "1x", "1.m", "0x10", "99999999p", "1 2"])
    it(`${JSON.stringify(given)} is refused`, () => assert.throws(() => parseSize(given), UsageError));

  it("are written with at most three digits", () => {
    assert.deepEqual([0, 999, 1000, 1536, 10 * 1024 ** 2, 123_456_789, 5 * 1024 ** 4].map(formatSize), [
      "0 B",
      "999 B",
      "0.98 KiB",
      "1.50 KiB",
      "10.0 MiB",
      "118 MiB",
      "5.00 TiB",
    ]);
  });
});

describe("times", () => {
  for (const [given, ms] of [
    ["10", 10_000],
    ["0", 0],
    ["1.5", 1500],
    ["500ms", 500],
    ["2m30s", 150_000],
    ["1h", 3_600_000],
  ] as const)
    it(`${given} is ${ms} ms`, () => assert.equal(parseDuration(given), ms));
  for (const given of ["", "-1", "soon", "1d", "10 s", "s"])
    it(`${JSON.stringify(given)} is refused`, () => assert.throws(() => parseDuration(given), UsageError));

  it("are told in one unit", () => {
    const minute = 60_000;
    for (const [ms, words] of [
      [-5000, "just now"],
      [999, "just now"],
      [1000, "1 second ago"],
      [59_999, "59 seconds ago"],
      [minute, "1 minute ago"],
      [90 * minute, "1 hour ago"],
      [35 * 60 * minute, "35 hours ago"],
      [3 * 1440 * minute, "3 days ago"],
      [20 * 1440 * minute, "2 weeks ago"],
      [100 * 1440 * minute, "3 months ago"],
      [800 * 1440 * minute, "2 years ago"],
    ] as const)
      assert.equal(formatAgo(0, ms), words);
    assert.equal(formatDuration(0), "0 seconds");
  });
});

describe("tables", () => {
  it("columns are as wide as their widest cell, and lines end with their text", () => {
    assert.equal(
      layoutTable(
        ["ID", "STATUS"],
        [
          ["web", "running"],
          ["a-longer-id", ""],
        ],
      ),
      "ID           STATUS\nweb          running\na-longer-id\n",
    );
  });
  it("control characters cannot reach the terminal", () => {
    assert.equal(printable("a\u001b[31mb\nc\u202ed"), "a?[31mb?c?d");
  });
  it("a long text is cut between characters", () => {
    assert.equal(shortened("12345", 5), "12345");
    assert.equal(shortened("😀😀😀", 2), "…");
    assert.equal(shortened("😀😀😀", 3), "😀…");
  });
  for (const [given, columns] of [
    ["plain", 5],
    ["é", 1],
    ["e\u0301", 1],
    ["日本語", 6],
    ["한국어", 6],
    ["ﾊﾝｶｸ", 4],
    ["Ｆｕｌｌ", 8],
    ["😀", 2],
    ["→ … ™", 5],
    ["Ωμέγα ж", 7],
  ] as const)
    it(`${given} is ${columns} columns wide`, () => assert.equal(displayWidth(given), columns));
  it("wide characters do not push columns out of line", () => {
    const rows = [
      ["日本", "x"],
      ["plain", "y"],
    ];
    assert.equal(layoutTable(["ID", "B"], rows), "ID     B\n日本   x\nplain  y\n");
  });
  it("fit the terminal where cells may be cut, and the rest stays whole", () => {
    const header = ["ID", "IMAGE", "COMMAND", "PID"];
    const row = ["web", "docker.io/library/busybox:latest", "sh -c 'sleep 日本語日本語日本語'", "4711"];
    const table = (width: number | null) => layoutTable(header, [row], { width, flexible: ["COMMAND", "IMAGE"] });
    for (const width of [40, 50, 60, 70])
      for (const line of table(width).trimEnd().split("\n")) {
        assert.ok(displayWidth(line) <= width, `${displayWidth(line)} of ${width}: ${line}`);
      }
    assert.match(table(60), /^web {2}docker\.io\/library\/busybox:latest {2}sh -c 'sleep …\s+4711$/m);
    assert.match(table(null), /日本語日本語日本語' {2}4711$/m);
    // Narrower than that it wraps, rather than that a column vanishes.
    assert.match(table(10), /^web {2}docker\.… {2}sh -c '… {2}4711$/m);
  });
});

describe("states", () => {
  for (const [status, words] of [
    ["running", "running"],
    ["paused", "paused"],
    ["none", "not started"],
    ["stopped", "exited (7) 2 minutes ago"],
  ] as const)
    it(`${status} is told as ${words}`, () =>
      assert.equal(describeState({ status, exitStatus: 7, exitedAt: 1000, outOfMemory: false }, 121_500), words));
  it("say where the kernel has ended it", () =>
    assert.equal(
      describeState({ status: "stopped", exitStatus: 137, exitedAt: null, outOfMemory: true }, 0),
      "exited (137, out of memory)",
    ));
  it("have one word in tables and in JSON", () => {
    for (const status of ["running", "paused", "none", "stopped", "created", "unknown"])
      assert.ok(
        describeState({ status, exitStatus: 7, exitedAt: 1000, outOfMemory: false }, 121_500).startsWith(
          stateWord(status),
        ),
        status,
      );
  });
});

describe("detach keys", () => {
  const [p, q, a] = [0x10, 0x11, 0x61];
  const feed = (...chunks: number[][]) => {
    const keys = new DetachKeys();
    return chunks.map((chunk) => {
      const { pass, detach } = keys.feed(Uint8Array.from(chunk));
      return [...pass, ...(detach ? ["detach"] : [])];
    });
  };
  it("are found in one read and across two", () => {
    assert.deepEqual(feed([a, p, q, a]), [[a, "detach"]]);
    assert.deepEqual(feed([p], [q]), [[], ["detach"]]);
  });
  it("a ctrl-p that was something else is passed on with the next key", () => {
    assert.deepEqual(feed([p, a], [q]), [[p, a], [q]]);
    assert.deepEqual(feed([p], [p], [p, q]), [[], [p], [p, "detach"]]);
  });
});

describe("JSON", () => {
  it("times are RFC 3339, bytes are base64 and absent messages are null", () => {
    const time = { seconds: 1_700_000_000, nanos: 120_000_000 };
    assert.deepEqual(
      jsonValue({ time, any: { typeUrl: "x", value: Uint8Array.of(1, 2, 3, 4) }, none: null, list: [1n] }),
      {
        time: "2023-11-14T22:13:20.120Z",
        any: { typeUrl: "x", value: "AQIDBA==" },
        none: null,
        list: ["1"],
      },
    );
    for (const length of [0, 1, 2, 3, 4, 5]) {
      const bytes = Uint8Array.from({ length }, (_, i) => 250 + i);
      assert.equal(jsonValue(bytes), Buffer.from(bytes).toString("base64"));
    }
  });
});
