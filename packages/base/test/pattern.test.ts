import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compilePattern } from "../src/pattern.ts";

describe("a pattern", () => {
  const cases: readonly (readonly [pattern: string, matches: string[], not: string[]])[] = [
    ["", ["", "x"], []],
    ["b", ["abc", "b"], ["ac", ""]],
    ["^a.c$", ["abc", "a€c"], ["a\nc", "abcd", "xabc"]],
    ["(?s)^a.c$", ["a\nc"], []],
    ["^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]],
    ["^(ab|c)*d?$", ["", "ababc", "cd"], ["abd2", "dd"]],
    ["^x{,2}$", ["x{,2}"], ["x"]],
    ["^[^a-c\\d]+$", ["xyz"], ["xay", "x1"]],
    ["^[]a-]+$", ["]a-"], ["b"]],
    ["^[[:alpha:]]+$", ["abC"], ["a1"]],
    ["^\\w+\\s\\S$", ["ab c"], ["ab  "]],
    ["(?i)^HeLLo$", ["hello", "HELLO"], ["hell"]],
    ["^(?i:a)b$", ["Ab", "ab"], ["AB"]],
    ["^(?P<name>a)(?:b)$", ["ab"], ["a"]],
    ["\\bfoo\\b", ["a foo b"], ["afoo", "food"]],
    ["(?m)^b$", ["a\nb\nc"], ["ab"]],
    ["\\Aa\\z", ["a"], ["a\n"]],
    ["\\Q.*\\E$", ["a.*"], ["ab"]],
    ["^\\x41\\x{42}\\103$", ["ABC"], ["abc"]],
    ["^\\p{Lu}\\pL+$", ["Äpfel"], ["äpfel"]],
    ["^(|a)+$", ["", "aaa"], ["b"]],
    ["(a+)+$", ["aaaa"], ["b"]],
  ];
  for (const [pattern, yes, no] of cases)
    it(JSON.stringify(pattern), () => {
      const matches = compilePattern(pattern);
      for (const text of yes) assert.ok(matches(text), `should match ${JSON.stringify(text)}`);
      for (const text of no) assert.ok(!matches(text), `should not match ${JSON.stringify(text)}`);
    });

  for (const bad of ["(", ")", "[a", "*a", "a**", "\\", "a{2000}", "(a{1000}){1000}", "(?=a)", "\\1", "[b-a]", "\\pX9"])
    it(`${bad} is refused`, () => assert.throws(() => compilePattern(bad), /the pattern /));

  it("ends where backtracking would take for ever", () => {
    assert.equal(compilePattern("^(a+)+(a|aa)*(.*a){3}$")(`${"a".repeat(4000)}!`), false);
  });
});
