import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BerthError, messageOf } from "@berth/base";
import { createEndpoints, createExplain } from "../src/registry/hosts/create-endpoints.ts";
import { type Files, type Given, plantTree, settingsOf } from "./registry-hosts-tree.ts";

const file = "a/docker.io/hosts.toml";
const addressWanted = "must be the address of a server such as https://mirror.example:5000, and is";

/** No sentence has a second line or a secret in it. */
async function messageFor(files: Files): Promise<string> {
  await using tree = await plantTree(files);
  try {
    await createEndpoints(settingsOf({ roots: "a" }, tree.root))("docker.io");
  } catch (error) {
    assert.ok(error instanceof BerthError, messageOf(error));
    assert.doesNotMatch(error.message, /\n|s3cret/);
    return tree.short(error.message);
  }
  return "it is taken";
}

describe("a bad hosts.toml", () => {
  const host = `[host."https://m.example"]\n`;
  const key = `host."https://m.example"`;
  const clientForms = "a path, a list of paths, or a list of pairs of paths, of a certificate and of its key";
  const durations = 'a duration such as "500ms" or "30s"';
  for (const [title, text, message] of [
    ["is not TOML", "a = 1\nb = ", ", line 2, column 5: not TOML: invalid value: correct it there"],
    [
      "has a table twice",
      "[header]\n[header]",
      ", line 2, column 2: not TOML: trying to redefine an already defined table or value: correct it there",
    ],
    ["is not UTF-8", Buffer.from("# m\n# m\xfcller", "latin1"), ", line 2: not UTF-8: save the file as UTF-8"],
    ["is huge", "#".repeat((256 << 10) + 1), " has more than 262144 bytes: is it a registry's configuration?"],
    ["has a server that is no string", "\nserver = 7", ", line 2: server must be a string, and is 7"],
    ["has hosts that are no table", `host = "m.example"`, `, line 1: host must be a table, and is "m.example"`],
    ["has a host that is no table", "[host]\nx = [1]", ", line 2: host.x must be a table, and is a list"],
    ["has a list of hosts", "[[host.x]]", ", line 1: host.x must be a table, and is a list"],
    [
      "has a scheme that is not HTTP's",
      `server = "ftp://m.example"`,
      `, line 1: server ${addressWanted} "ftp://m.example"`,
    ],
    [
      "has an address that is none",
      `\n[host."https://a b"]`,
      `, line 2: host."https://a b" ${addressWanted} "https://a b"`,
    ],
    ["has an asterisk for a server", `server = "*"`, `, line 1: server ${addressWanted} "*"`],
    [
      "has two schemes",
      `server = "https://m.i://n.example"`,
      `, line 1: server ${addressWanted} "https://m.i://n.example"`,
    ],
    [
      "has a port that is none",
      `server = "https://m.example:99999"`,
      `, line 1: server ${addressWanted} "https://m.example:99999"`,
    ],
    [
      "has a path with a space",
      `server = "https://m.example/a b"`,
      `, line 1: server ${addressWanted} "https://m.example/a b"`,
    ],
    [
      "has a password in a bad address",
      `[host."https://me:s3cret@m example"]`,
      `, line 1: host."https://…@m example" ${addressWanted} "https://…@m example"`,
    ],
    [
      "has a password with a slash in an address",
      `server = "https://me:s3cret/@m.example"`,
      `, line 1: server ${addressWanted} "https://…@m.example"`,
    ],
    [
      "has an unknown capability",
      `${host}capabilities = ["pull", "fetch"]`,
      `, line 2: ${key}.capabilities must be a list of pull, resolve, push, referrers, and is "fetch"`,
    ],
    [
      "has capabilities that are no list",
      `${host}capabilities = "pull"`,
      `, line 2: ${key}.capabilities must be a list of strings, and is "pull"`,
    ],
    [
      "has a wrong authority",
      `${host}ca = 1979-05-27`,
      `, line 2: ${key}.ca must be a path or a list of paths, and is a date`,
    ],
    ["has an empty authority", `${host}ca = [""]`, `, line 2: ${key}.ca must be the path of a file, and is ""`],
    [
      "has a path with a zero byte",
      `${host}ca = "a\\u0000"`,
      `, line 2: ${key}.ca must be the path of a file, and is "a\\u0000"`,
    ],
    [
      "has an authority that is missing",
      `${host}ca = "no.pem"`,
      `, line 2: ${key}.ca names a/docker.io/no.pem, which does not exist: put the file there or correct the path`,
    ],
    [
      "has an authority that is a directory",
      `ca = "."`,
      ", line 1: ca names a/docker.io, which is not a file: name one",
    ],
    [
      "has a key that is missing",
      `${host}client = [["hosts.toml", "no.key"]]`,
      `, line 2: ${key}.client names a/docker.io/no.key, which does not exist: put the file there or correct the path`,
    ],
    ["has a wrong client", `${host}client = true`, `, line 2: ${key}.client must be ${clientForms}, and is true`],
    ["has a client of three", `client = [["a", "b", "c"]]`, `, line 1: client must be ${clientForms}`],
    [
      "has a client without a certificate",
      `client = [["", "b"]]`,
      `, line 1: client must be the path of a file, and is ""`,
    ],
    ["has skip_verify in words", `skip_verify = "true"`, `, line 1: skip_verify must be true or false, and is "true"`],
    [
      "has override_path as a number",
      `${host}override_path = 1`,
      `, line 2: ${key}.override_path must be true or false, and is 1`,
    ],
    ["has headers that are no table", `header = "a: b"`, `, line 1: header must be a table, and is "a: b"`],
    [
      "has a header that is no string",
      `[header]\nauthorization = [["s3cret"]]`,
      ", line 2: header.authorization must be a string or a list of strings, without line ends",
    ],
    [
      "has a header with a line end",
      `[header]\nx = "s3cret\\n"`,
      ", line 2: header.x must be a string or a list of strings, without line ends",
    ],
    [
      "has a header whose name is none",
      `[header]\n"x y" = ""`,
      `, line 2: header."x y" must be the name of a header, such as x-name`,
    ],
    [
      "has a time-out that is a number",
      `${host}dial_timeout = 30`,
      `, line 2: ${key}.dial_timeout must be a string, and is 30`,
    ],
    [
      "has a time-out without a unit",
      `${host}dial_timeout = "30"`,
      `, line 2: ${key}.dial_timeout must be ${durations}, and is "30"`,
    ],
    [
      "has a time-out of less than nothing",
      `dial_timeout = "-1s"`,
      `, line 1: dial_timeout must be ${durations}, and is "-1s"`,
    ],
  ] as const)
    it(title, async () => assert.equal(await messageFor({ [file]: text }), `${file}${message}`));

  for (const [title, files, message] of [
    ["is a directory", { [`${file}/`]: "" }, `${file} is not a regular file: put one there`],
    [
      "has a file for its directory",
      { "a/docker.io": "" },
      "a/docker.io is not a directory: make one with a hosts.toml in it",
    ],
    ["is below a file", { a: "" }, "a/docker.io cannot be read: not a directory"],
  ] as const)
    it(title, async () => assert.equal(await messageFor(files), message));

  it("is not waited for if it is a pipe", async () => {
    await using tree = await plantTree({ "a/docker.io/": "" });
    execFileSync("mkfifo", [join(tree.root, file)]);
    await assert.rejects(createEndpoints(settingsOf({ roots: "a" }, tree.root))("docker.io"), /is not a regular file/);
  });
});

describe("bad settings:", () => {
  const ofHost = (config: unknown): Given => ({ configs: { "r.io": config } });
  const auth = `config.toml, line 3: registry.configs."r.io".auth`;
  const tls = `config.toml, line 3: registry.configs."r.io".tls`;
  const beside =
    "cannot be set together with registry.config_path: write it into hosts.toml files below /nowhere/a, and remove it";
  const mirrors = "config.toml, line 2: registry.mirrors";
  const list: readonly (readonly [title: string, given: Given, message: string])[] = [
    ["mirrors beside config_path", { roots: "a", mirrors: { "r.io": {} } }, `${mirrors} ${beside}`],
    ["TLS beside config_path", { roots: "a", ...ofHost({ tls: {} }) }, `${tls} ${beside}`],
    ["mirrors that are no table", { mirrors: [] }, `${mirrors} must be a table, and is a list`],
    ["a mirror that is no table", { mirrors: { a: "b" } }, `${mirrors}.a must be a table, and is "b"`],
    [
      "endpoints that are no list",
      { mirrors: { a: { endpoint: "b" } } },
      `${mirrors}.a.endpoint must be a list of strings, and is "b"`,
    ],
    [
      "an endpoint that is no address",
      { mirrors: { a: { endpoint: ["https://"] } } },
      `${mirrors}.a.endpoint ${addressWanted} "https://"`,
    ],
    ["configs that are no table", { configs: 1 }, "config.toml, line 3: registry.configs must be a table, and is 1"],
    [
      "a config that is no table",
      ofHost(true),
      `config.toml, line 3: registry.configs."r.io" must be a table, and is true`,
    ],
    ["credentials that are no table", ofHost({ auth: 5 }), `${auth} must be a table, and is 5`],
    ["a password that is no string", ofHost({ auth: { password: ["s3cret"] } }), `${auth}.password must be a string`],
    ["base64 that is none", ofHost({ auth: { auth: "s3cret!!" } }), `${auth}.auth must be USER:PASSWORD in base64`],
    ["base64 without a colon", ofHost({ auth: { auth: "czNjcmV0" } }), `${auth}.auth must be USER:PASSWORD in base64`],
    [
      "a certificate without a key",
      ofHost({ tls: { cert_file: "a" } }),
      `${tls} must have both of cert_file and key_file, or neither`,
    ],
    [
      "an authority that is missing",
      ofHost({ tls: { ca_file: "/no.pem" } }),
      `${tls}.ca_file names /no.pem, which does not exist: put the file there or correct the path`,
    ],
    ["an authority with a zero byte", ofHost({ tls: { ca_file: "\0" } }), `${tls}.ca_file must be the path of a file`],
    [
      "headers that are no table",
      { headers: "a" },
      `config.toml, line 4: registry.headers must be a table, and is "a"`,
    ],
    [
      "a mirror for all that is no address",
      { mirror: "https://u:s3cret@/" },
      `--registry-mirror ${addressWanted} "https://…@/"`,
    ],
    [
      "config_path with a zero byte",
      { roots: "\0" },
      `config.toml, line 1: registry.config_path must be a list of directories, parted by colons, and is "/nowhere/\\u0000"`,
    ],
  ];
  for (const [title, given, message] of list)
    it(title, async () => {
      await assert.rejects(async () => createEndpoints(settingsOf(given))("r.io"), { name: "BerthError", message });
    });

  for (const registry of ["", ".", "..", "../etc", "a/b", "_default", "a\0", "r.io:", "r.io:99999", "a b", "*"])
    it(`the registry ${JSON.stringify(registry)}`, async () => {
      await assert.rejects(createEndpoints(settingsOf({}))(registry), {
        name: "BerthError",
        message: `registry ${JSON.stringify(registry)} is not the name of a host: write it as docker.io or localhost:5000`,
      });
    });
});

it("what has no effect is told", async () => {
  await using tree = await plantTree({
    [file]: `capabilities = ["pull"]
override_path = true
proxy = "http://proxy.example"
[host."https://me:s3cret@m.example/?a#b"]
server = "https://n.example"
`,
  });
  const given: Given = {
    roots: "a",
    configs: { "r.io": { auth: { user: "me" }, x: 1 } },
    mirror: "https://me:s3cret@m.example",
  };
  const { endpoints, warnings } = await createExplain(settingsOf(given, tree.root))("docker.io");
  assert.deepEqual(
    endpoints.map(({ url, source }) => `${url} ${tree.short(source.file)}:${source.line}`),
    [
      "https://m.example/v2 --registry-mirror:0",
      `https://m.example/v2 ${file}:4`,
      "https://registry-1.docker.io/v2 the default:0",
    ],
  );
  const host = `host."https://…@m.example/?a#b"`;
  assert.deepEqual(warnings.map(tree.short), [
    `config.toml, line 3: registry.configs."r.io".x is not known here, and has no effect`,
    `config.toml, line 3: registry.configs."r.io".auth.user is not known here, and has no effect`,
    "--registry-mirror has a user, which has no effect: log in to the host instead",
    `${file}, line 3: proxy is not known here, and has no effect`,
    `${file}, line 5: ${host}.server is not known here, and has no effect`,
    `${file}, line 4: ${host} has a user, which has no effect: log in to the host instead`,
    `${file}, line 4: ${host} has a query or a fragment, which has no effect`,
    `${file}, line 1: capabilities has no effect without server`,
    `${file}, line 2: override_path has no effect without server`,
  ]);
});
