import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig, parseIndex, parseManifest } from "../src/documents.ts";
import { parseJson } from "../src/json.ts";

const digest = `sha256:${"a".repeat(64)}`;
const json = (text: string) => parseJson(Buffer.from(text, "latin1"), "it");

describe("an image configuration", () => {
  it("has empty values for what is missing or null", async () => {
    const config = parseConfig(await json('{"os":"linux","architecture":"amd64","config":{"Env":null}}'), "it");
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
    it(`${text} is refused`, async () => {
      await assert.rejects(async () => parseConfig(await json(text), "it"), message);
    });

  it("takes no value from a prototype", async () => {
    const config = parseConfig(await json('{"__proto__":{"os":"evil"},"config":{"Labels":{"__proto__":"x"}}}'), "it");
    assert.equal(config.os, "");
    assert.equal(Object.hasOwn(config.config.Labels, "__proto__"), true);
    assert.equal(Object.getPrototypeOf(config.config.Labels), Object.prototype);
  });
});

// As Go's encoding/json, and with it every other tool, reads them.
describe("a document in other hands", () => {
  const configs: readonly (readonly [title: string, text: string, field: string, value: unknown])[] = [
    ["null for a list", '{"config":{"Env":null}}', "Env", []],
    ["null in a list", '{"config":{"Cmd":[null,"x"]}}', "Cmd", ["", "x"]],
    ["null for a map", '{"config":{"Labels":null}}', "Labels", {}],
    ["null in a map", '{"config":{"Labels":{"a":null,"b":"c"}}}', "Labels", { a: "", b: "c" }],
    ["null for a string", '{"config":{"User":null}}', "User", ""],
    ["null for an object", '{"config":null}', "User", ""],
    ["keys in another case", '{"CONFIG":{"user":"me"}}', "User", "me"],
    ["a key twice, in two cases", '{"config":{"User":"a","user":"b"}}', "User", "b"],
    ["bytes of Latin-1", '{"config":{"User":"m\xfcller"}}', "User", "m\ufffdller"],
    ["entries of an environment that name nothing", '{"config":{"Env":["","=x","A","B=1",null]}}', "Env", ["B=1"]],
  ];
  for (const [title, text, field, value] of configs)
    it(`has ${title}`, async () => {
      const { config } = parseConfig(await json(text), "it");
      assert.deepEqual(config[field as keyof typeof config], value);
    });

  it("has entries under other digests, which are passed over", async () => {
    const other = `{"digest":"sha512:${"b".repeat(128)}","size":1,"mediaType":"m"}`;
    const index = await json(`{"manifests":[${other},{"digest":"${digest}","size":1,"mediaType":"m"}]}`);
    assert.deepEqual(
      parseIndex(index, "it").map(({ descriptor }) => descriptor.digest),
      [digest],
    );
    const nonsense = await json('{"manifests":[{"digest":"sha256:short","size":1}]}');
    assert.throws(() => parseIndex(nonsense, "it"), /only sha256/);
  });

  for (const [title, text, message] of [
    ["too long", `"${"x".repeat(4 << 20)}"`, /it has 4194306 bytes: at most 4194304/],
    ["too deep", "[".repeat(2_000_000), /it is nested more than 100 deep/],
    ["too deep in objects", '{"a":'.repeat(101), /it is nested more than 100 deep/],
    ["of too many values", `[${"1,".repeat(200_000)}1]`, /it has more than 100000 values/],
    [
      "of too many layers",
      `{"layers":[${"{},".repeat(1000)}{}],"config":{"digest":"${digest}","size":1}}`,
      /1001 layers/,
    ],
  ] as const)
    it(`that is ${title} is refused`, async () => {
      await assert.rejects(async () => parseManifest(await json(text), "it"), message);
    });

  it("may have anything within its strings", async () => {
    const text = JSON.stringify({ config: { User: `${"[{,:".repeat(50_000)}\\"[` } });
    assert.equal(parseConfig(await json(text), "it").config.User.length, 200_003);
  });
});

describe("a manifest", () => {
  it("that is an index as well is refused", async () => {
    const both = await json(`{"config":{"digest":"${digest}","size":1},"Manifests":[]}`);
    assert.throws(() => parseManifest(both, "it"), /both/);
    assert.throws(() => parseIndex(both, "it"), /both/);
  });

  for (const part of [
    '"digest":"md5:1","size":1',
    `"digest":"${digest}"`,
    `"digest":"${digest}","size":-1`,
    `"digest":"${digest}","size":1.5`,
    `"digest":7,"size":1`,
  ])
    it(`with the config {${part}} is refused`, async () => {
      const manifest = await json(`{"config":{${part}}}`);
      assert.throws(() => parseManifest(manifest, "it"), /config of it/);
    });
});

it("an index's manifest without a platform is told from one with it", async () => {
  const entry = `"digest":"${digest}","size":1,"mediaType":"m"`;
  const [first, second] = parseIndex(
    await json(`{"manifests":[{${entry}},{${entry},"platform":{"os":"linux","architecture":"arm"}}]}`),
    "it",
  );
  assert.equal(first?.platform, null);
  assert.deepEqual(second?.platform, { os: "linux", architecture: "arm", variant: "" });
});
