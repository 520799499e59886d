import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseOutput } from "@berth/shim";

describe("stdio", () => {
  for (const [text, expected] of [
    ["", { kind: "null" }],
    ["/run/fifo/1", { kind: "path", path: "/run/fifo/1" }],
    ["fifo:///run/fifo/1", { kind: "path", path: "/run/fifo/1" }],
    ["file:///var/log/a%20b.log", { kind: "file", path: "/var/log/a b.log" }],
    [
      "binary:///bin/log?id=7&all&name=a+b&id=8",
      { kind: "logger", argv: ["/bin/log", "id", "7", "all", "", "name", "a b"], mustSay: false },
    ],
    [
      "berth-log:///logs/a%20b/log?max-size=65536&max-file=3",
      { kind: "log", path: "/logs/a b/log", bytes: 65536, files: 3 },
    ],
    ["berth-log:///logs/a/log", { kind: "log", path: "/logs/a/log", bytes: 0, files: 1 }],
    ["binary-v2:///bin/log", { kind: "logger", argv: ["/bin/log"], mustSay: true }],
  ] as const)
    it(`${JSON.stringify(text)} is ${expected.kind}`, () => assert.deepEqual(parseOutput(text), expected));
  it("refuses other schemes by name", () => {
    assert.throws(() => parseOutput("ftp:///x"), /unknown STDIO scheme ftp/);
    assert.throws(
      () => parseOutput("file:///%zz"),
      /unable to parse stdout uri: parse "file:\/\/\/%zz": invalid URL escape "%zz"/,
    );
  });
  it("refuses limits of a log that are none", () => {
    for (const query of ["max-size=1", "max-size=-1", "max-size=x", "max-file=0", "max-file=1001", "max-file=1.5"])
      assert.throws(() => parseOutput(`berth-log:///l?${query}`), { kind: "invalid-argument", message: /max-/ }, query);
    assert.throws(() => parseOutput("berth-log://l"), /is not absolute/);
  });
});
