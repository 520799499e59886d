import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf } from "@berth/base";
import { parseHistory, stepsWithLayers } from "../src/history.ts";
import type { JsonObject } from "../src/json.ts";

const layer = (name: string) => ({ mediaType: "layer", digest: name, size: name.length, annotations: {} });
const stepsOf = (history: unknown, layers: readonly string[]) =>
  stepsWithLayers(parseHistory({ history } as JsonObject, "the config"), layers.map(layer)).map((step) => [
    step.createdBy,
    step.layer?.digest ?? null,
  ]);

describe("the history of an image", () => {
  for (const [title, history, layers, expected] of [
    [
      "gives steps that made a layer the layers in their order",
      [{ created_by: "COPY" }, { created_by: "ENV", empty_layer: true }, { created_by: "RUN" }],
      ["a", "b"],
      [
        ["COPY", "a"],
        ["ENV", null],
        ["RUN", "b"],
      ],
    ],
    [
      "has a step of its own for a layer that is not told of",
      [{ created_by: "COPY" }],
      ["a", "b"],
      [
        ["COPY", "a"],
        ["", "b"],
      ],
    ],
    [
      "leaves a step too many without a layer",
      [{ created_by: "COPY" }, {}],
      ["a"],
      [
        ["COPY", "a"],
        ["", null],
      ],
    ],
    ["may be missing", undefined, ["a"], [["", "a"]]],
    ["may be null, as Go writes it", null, [], []],
  ] as const)
    it(title, () => assert.deepEqual(stepsOf(history, layers), expected));

  it("has its fields in any case", () => {
    const [step] = parseHistory({ History: [{ Created_By: "x", COMMENT: "c", created: null }] }, "the config");
    assert.deepEqual(step, { created: "", createdBy: "x", comment: "c", isEmpty: false });
  });

  for (const history of [7, [7], [{ created_by: 7 }], [null]])
    it(`is refused where it is ${JSON.stringify(history)}`, () => {
      assert.throws(
        () => parseHistory({ history }, "the config"),
        (error) => kindOf(error) === "invalid-argument",
      );
    });
});
