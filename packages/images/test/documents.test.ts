import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig, parseIndex, parseManifest } from "../src/documents.ts";
import { parseJson } from "../src/json.ts";

const digest = `sha256:${"a".repeat(64)}`;
const json = (text: string) => parseJson(new TextEncoder().encode(text), "it");

describe("an image configuration", () => {
  it("has empty values for what is missing or null", () => {
    const config = parseConfig(json('{"os":"linux","architecture":"amd64","config":{"Env":null}}'), "it");
    assert.deepEqual(config.config.Env, []);
    assert.deepEqual(config.diffIds, []);
    assert.equal(config.variant, "");
  });

  for (const [text, message] of [
    ['{"config":{"Env":"PATH=/"}}', /Env of it is not a list/],
    ['{"config":{"Env":[1]}}', /Env of it is not a list of strings/],
    ['{"config":{"Cmd":{}}}', /Cmd of it is not a list/],
    ['{"config":[]}', /config of it is not an object/],
    ['{"config":{"Labels":{"a":1}}}', /a in Labels of it is not a string/],
    ['{"os":7}', /os of it is not a string/],
    ['{"rootfs":{"diff_ids":["sha256:short"]}}', /only sha256/],
    ["[]", /it is not an object/],
    ["null", /it is not an object/],
    ["{", /it is not valid JSON/],
  ] as const)
    it(`${text} is refused`, () => {
      assert.throws(() => parseConfig(json(text), "it"), message);
    });

  it("takes no value from a prototype", () => {
    const config = parseConfig(json('{"__proto__":{"os":"evil"},"config":{"Labels":{"__proto__":"x"}}}'), "it");
    assert.equal(config.os, "");
    assert.equal(Object.hasOwn(config.config.Labels, "__proto__"), true);
    assert.equal(Object.getPrototypeOf(config.config.Labels), Object.prototype);
  });
});

describe("a manifest", () => {
  it("that is an index as well is refused", () => {
    assert.throws(() => parseManifest(json(`{"config":{"digest":"${digest}","size":1},"manifests":[]}`), "it"), /both/);
  });

  for (const part of [
    '"digest":"md5:1","size":1',
    `"digest":"${digest}"`,
    `"digest":"${digest}","size":-1`,
    `"digest":"${digest}","size":1.5`,
    `"digest":7,"size":1`,
  ])
    it(`with the config {${part}} is refused`, () => {
      assert.throws(() => parseManifest(json(`{"config":{${part}}}`), "it"), /config of it/);
    });
});

it("an index's manifest without a platform is told from one with it", () => {
  const entry = `"digest":"${digest}","size":1,"mediaType":"m"`;
  const [first, second] = parseIndex(
    json(`{"manifests":[{${entry}},{${entry},"platform":{"os":"linux","architecture":"arm"}}]}`),
    "it",
  );
  assert.equal(first?.platform, null);
  assert.deepEqual(second?.platform, { os: "linux", architecture: "arm", variant: "" });
});
