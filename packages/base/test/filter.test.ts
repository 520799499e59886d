import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BerthError, kindOf, parseFilters } from "@berth/base";

const web: Record<string, unknown> = {
  id: "web",
  image: "docker.io/library/nginx:latest",
  runtime: { name: "io.containerd.runc.v2" },
  labels: { app: "shop", "io.example/tier": "front", "dotted.key": "yes" },
};

function adaptor([first = "", ...rest]: readonly string[]): string | null {
  const value = web[first];
  if (typeof value === "string") return rest.length === 0 ? value : null;
  const inner = value as Record<string, string> | undefined;
  return inner?.[rest.join(".")] ?? null;
}

describe("a filter", () => {
  const cases: readonly (readonly [filter: string, matches: boolean])[] = [
    ["", true],
    ["id==web", true],
    ["id==db", false],
    [" id == web, image ~= nginx", true],
    ["id==web,labels.app==other", false],
    ["labels.app", true],
    ["labels.none", false],
    ["labels.none!=x", true],
    ["labels.none==x", false],
    // A field that is not there: no equal of anything, else as good as empty.
    ['labels.none==""', false],
    ['labels.none!=""', false],
    ['labels.none~=""', true],
    ["labels.none~=^$", true],
    ["labels.none~=x", false],
    ["labels.dotted.key==yes", true],
    ['labels."dotted.key"==yes', true],
    ['labels."io.example/tier"==front', true],
    ['labels."io.example/tier"=="front"', true],
    ['id=="w\\x65b"', true],
    ["image~=^docker\\.io/", true],
    ["image~=(", false],
    ["image~=(?=d)docker", false],
    ["image~=|^docker\\\\.io/|", true],
    ["image~=/^docker.io.library/", true],
    ["image~=latest$", true],
    ["runtime.name~=runc", true],
    ["image==docker.io/library/nginx:latest", true],
    ["id!=web", false],
  ];
  for (const [filter, expected] of cases)
    it(`${JSON.stringify(filter)} ${expected ? "matches" : "does not match"}`, () => {
      assert.equal(parseFilters([filter])(adaptor), expected);
    });

  it("matches everything where there is none", () => assert.equal(parseFilters([])(adaptor), true));
  it("matches where any of several does", () => assert.equal(parseFilters(["id==db", "id==web"])(adaptor), true));

  for (const bad of [
    "id=web",
    "id==",
    "==web",
    "id==web,",
    "id~=|a\\.b|",
    "id==/web/",
    "image~=(a{1000}){1000}",
    'id=="web',
    'id=="\\q"',
    "id==web web",
    "labels.",
    "id<web",
    "id==|web|x,",
  ])
    it(`${JSON.stringify(bad)} is refused in one sentence`, () => {
      assert.throws(
        () => parseFilters([bad]),
        (error) => error instanceof BerthError && kindOf(error) === "invalid-argument" && error.message.includes("["),
      );
    });
});
