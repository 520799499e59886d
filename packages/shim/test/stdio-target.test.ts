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
    ["binary-v2:///bin/log", { kind: "logger", argv: ["/bin/log"], mustSay: true }],
  ] as const)
    it(`${JSON.stringify(text)} is ${expected.kind}`, () => assert.deepEqual(parseOutput(text), expected));
  it("refuses other schemes by name", () => {
    assert.throws(() => parseOutput("ftp:///x"), /unknown STDIO scheme ftp/);
    assert.throws(() => parseOutput("file:///%zz"), /wrong % escape/);
  });
});
