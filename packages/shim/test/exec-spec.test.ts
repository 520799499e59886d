import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withTerminal } from "@berth/shim";

describe("the process of an exec", () => {
  for (const [text, on, off] of [
    ['{"args":["a"]}', '{"terminal":true,"args":["a"]}', '{"args":["a"]}'],
    ["{ }", '{"terminal":true }', "{ }"],
    ['{"terminal":true}', '{"terminal":true}', '{"terminal":false}'],
    ['{"terminal" : false , "x":1}', '{"terminal" : true , "x":1}', '{"terminal" : false , "x":1}'],
    ['{"terminal":null}', '{"terminal":true}', '{"terminal":false}'],
    ['{"Terminal":true}', '{"Terminal":true}', '{"Terminal":false}'],
    ['{"terminal":false,"terminal":true}', '{"terminal":true,"terminal":true}', '{"terminal":false,"terminal":false}'],
    // Elsewhere it is another's.
    [
      '{"a":{"terminal":true},"b":["terminal",true],"c":"\\"terminal\\":true"}',
      '{"terminal":true,"a":{"terminal":true},"b":["terminal",true],"c":"\\"terminal\\":true"}',
      '{"a":{"terminal":true},"b":["terminal",true],"c":"\\"terminal\\":true"}',
    ],
    [
      '{"rlimits":[{"hard":18446744073709551615}],"terminal":false}',
      '{"rlimits":[{"hard":18446744073709551615}],"terminal":true}',
      '{"rlimits":[{"hard":18446744073709551615}],"terminal":false}',
    ],
    // What is wrong in another way stays: the runtime says what.
    ['{"terminal":"yes"}', '{"terminal":true,"terminal":"yes"}', '{"terminal":"yes"}'],
  ] as const)
    it(`${text} follows the request`, () => {
      assert.equal(withTerminal(text, true), on);
      assert.equal(withTerminal(text, false), off);
    });
});
