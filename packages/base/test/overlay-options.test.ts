import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shortOptions } from "@berth/base";

const cases: readonly (readonly [options: string[], directory: string, lower: string[], others: string[]])[] = [
  [
    ["index=off", "lowerdir=/s/snap/12/fs:/s/snap/1/fs:/s/snap/123/fs", "upperdir=/s/snap/9/fs"],
    "/s/snap",
    ["12/fs", "1/fs", "123/fs"],
    ["index=off", "upperdir=/s/snap/9/fs"],
  ],
  [["lowerdir=/a/x:/b/x"], "", ["/a/x", "/b/x"], []],
  [["lowerdir=/snaps/1/fs:/snapshots/1/fs"], "", ["/snaps/1/fs", "/snapshots/1/fs"], []],
  [["lowerdir=/s/1:/s/1/2"], "/s", ["1", "1/2"], []],
  [["lowerdir=/one"], "", ["/one"], []],
  [["lowerdir=a/b:a/c"], "", ["a/b", "a/c"], []],
  [["lowerdir="], "", [""], []],
  [["ro"], "", [], ["ro"]],
];

describe("an overlay's options", () => {
  for (const [options, directory, lower, others] of cases)
    it(`${options.join(",")}: lower directories from ${JSON.stringify(directory)}`, () =>
      assert.deepEqual(shortOptions(options), { directory, lower, others }));
});
