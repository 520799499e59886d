// What a caller says of a registry, beside the configuration.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createExplain } from "../src/registry/hosts/create-endpoints.ts";
import { noWishes, type RegistryWishes } from "../src/registry/hosts/settings.ts";
import { plantTree, settingsOf } from "./registry-hosts-tree.ts";

const endpointsOf = async (registry: string, wishes: Partial<RegistryWishes>, given = {}) =>
  (await createExplain(settingsOf(given))(registry, { ...noWishes, ...wishes })).endpoints;

describe("a caller's scheme", () => {
  for (const [registry, scheme, urls] of [
    ["example.com:5000", "http", ["http://example.com:5000/v2"]],
    ["example.com:5000", "https", ["https://example.com:5000/v2"]],
    ["docker.io", "http", ["https://registry-1.docker.io/v2"]],
    ["127.0.0.1:5000", "http", ["https://127.0.0.1:5000/v2", "http://127.0.0.1:5000/v2"]],
  ] as const)
    it(`${scheme} for ${registry} is ${urls.join(", then ")}`, async () => {
      const endpoints = await endpointsOf(registry, { scheme });
      assert.deepEqual(
        endpoints.map(({ url }) => url),
        urls,
      );
    });
});

it("a caller's headers come in the place of those that are sent to all", async () => {
  const given = { headers: { "X-Meta": ["general"], "X-Other": ["kept"] } };
  const [endpoint] = await endpointsOf("example.com", { headers: { "x-meta": "own" } }, given);
  assert.deepEqual({ ...endpoint?.headers }, { "x-meta": ["own"], "x-other": ["kept"] });
});

it("a caller's directory comes in the place of all that is configured", async () => {
  await using tree = await plantTree({ "own/example.com/hosts.toml": 'server = "http://own.example"' });
  const hostDirectory = join(tree.root, "own");
  const given = { mirrors: { "*": { endpoint: ["https://mirror.example"] } } };
  const [endpoint, ...more] = await endpointsOf("example.com", { hostDirectory }, given);
  assert.deepEqual([endpoint?.url, more], ["http://own.example/v2", []]);
});
