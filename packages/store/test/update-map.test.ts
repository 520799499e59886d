import assert from "node:assert/strict";
import { it } from "node:test";
import { updateLabels, updateMap } from "../src/update-map.ts";

const cases: readonly (readonly [paths: string[], given: Record<string, string>, expected: Record<string, string>])[] =
  [
    [[], { c: "3" }, { c: "3" }],
    [["labels"], { c: "3", d: "" }, { c: "3" }],
    [["labels.a"], { a: "9", b: "9" }, { a: "9", b: "2" }],
    [["labels.a"], {}, { b: "2" }],
    [["labels.a", "labels.c"], { a: "", c: "3" }, { b: "2", c: "3" }],
    [["labels", "labels.a"], { c: "3" }, { c: "3" }],
    [["labels.a", "labels"], { c: "3" }, { c: "3" }],
    [["labels.toString"], {}, { a: "1", b: "2" }],
  ];
for (const [paths, given, expected] of cases)
  it(`labels updated through ${JSON.stringify(paths)} with ${JSON.stringify(given)} are ${JSON.stringify(expected)}`, () => {
    const stored = { a: "1", b: "2" };
    assert.deepEqual(updateLabels("it", stored, given, paths), expected);
    assert.deepEqual(stored, { a: "1", b: "2" });
  });

it("a path of another field is not taken, and what was not updated is what was stored", () => {
  const stored = { a: "1" };
  const labels = updateMap("labels", stored, {});
  assert.deepEqual([labels.take("labelsx"), labels.take("target"), labels.value === stored], [false, false, true]);
  assert.throws(() => updateLabels("it", stored, {}, ["size"]), /cannot update "size" field on it/);
});

it("a hundred thousand paths copy the map once", () => {
  const stored = new Proxy<Record<string, string>>(
    {},
    {
      ownKeys() {
        copies++;
        return Reflect.ownKeys(given);
      },
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: "x" }),
    },
  );
  const given = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`k${at}`, String(at)]));
  let copies = 0;
  const labels = updateMap("labels", stored, given);
  for (const key of Object.keys(given)) labels.take(`labels.${key}`);
  assert.deepEqual(labels.value, given);
  assert.ok(copies <= 1, String(copies));
});
