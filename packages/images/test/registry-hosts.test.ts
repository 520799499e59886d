import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseGoDuration } from "@berth/base";
import { createEndpoints } from "../src/registry/hosts/create-endpoints.ts";
import { tomlLines } from "../src/registry/hosts/toml-lines.ts";
import { type Files, type Given, lineOf, plantTree, settingsOf } from "./registry-hosts-tree.ts";

/** Capabilities are p(ull), r(esolve), w(rite: push), (re)f(errers). */
async function linesOf(files: Files, registry: string, given: Given): Promise<string[]> {
  await using tree = await plantTree(files);
  const endpoints = await createEndpoints(settingsOf(given, tree.root))(registry);
  return endpoints.map((endpoint) => tree.short(lineOf(endpoint)));
}

interface Case {
  readonly title: string;
  readonly files?: Files;
  readonly given?: Given;
  readonly registry: string;
  readonly endpoints: readonly string[];
}

const cases = (list: readonly Case[]): void => {
  for (const { title, files = {}, given = { roots: "a" }, registry, endpoints } of list)
    it(title, async () => assert.deepEqual(await linesOf(files, registry, given), endpoints));
};

const ownOf = (registry: string) => `https://${registry}/v2 prwf the default`;
const hub = ownOf("registry-1.docker.io");

// core/remotes/docker/config/hosts_test.go of containerd has most of these.
describe("a registry that nothing is configured for", () => {
  cases([
    { title: "is asked by https", registry: "ghcr.io", endpoints: [ownOf("ghcr.io")] },
    { title: "keeps its port", registry: "example.com:5000", endpoints: [ownOf("example.com:5000")] },
    { title: "has its API elsewhere if it is docker.io", registry: "docker.io", endpoints: [hub] },
    {
      title: "on loopback is asked by https, then by http",
      registry: "localhost:5000",
      endpoints: ["https://localhost:5000/v2 prwf the default unverified", "http://localhost:5000/v2 prwf the default"],
    },
    {
      title: "on an address of loopback as well",
      registry: "127.0.0.254:5000",
      endpoints: [
        "https://127.0.0.254:5000/v2 prwf the default unverified",
        "http://127.0.0.254:5000/v2 prwf the default",
      ],
    },
    {
      title: "on IPv6's loopback as well",
      registry: "[::1]:5000",
      endpoints: ["https://[::1]:5000/v2 prwf the default unverified", "http://[::1]:5000/v2 prwf the default"],
    },
    {
      title: "on loopback without a port is asked by https alone",
      registry: "localhost",
      endpoints: ["https://localhost/v2 prwf the default unverified"],
    },
    {
      title: "on loopback's port 443 as well",
      registry: "localhost:443",
      endpoints: ["https://localhost:443/v2 prwf the default unverified"],
    },
    {
      title: "on loopback's port 80 is asked by http alone",
      registry: "localhost:80",
      endpoints: ["http://localhost:80/v2 prwf the default"],
    },
    { title: "needs no directory of configurations", given: {}, registry: "ghcr.io", endpoints: [ownOf("ghcr.io")] },
  ]);
});

describe("the directory of a registry", () => {
  const say = (name: string) => `server = "https://${name}.example"\n`;
  const from = (name: string, file: string, registry: string) =>
    `https://${name}.example/v2 prwf ?ns=${registry} ${file}:1`;
  cases([
    {
      title: "has its port between underscores first",
      files: {
        "a/r.io_5000_/hosts.toml": say("one"),
        "a/r.io:5000/hosts.toml": say("two"),
        "a/_default/hosts.toml": say("three"),
      },
      registry: "r.io:5000",
      endpoints: [from("one", "a/r.io_5000_/hosts.toml", "r.io:5000")],
    },
    {
      title: "then its name as it is",
      files: { "a/r.io:5000/hosts.toml": say("two"), "a/_default/hosts.toml": say("three") },
      registry: "r.io:5000",
      endpoints: [from("two", "a/r.io:5000/hosts.toml", "r.io:5000")],
    },
    {
      title: "and then that of all",
      files: { "a/r.io/hosts.toml": say("other"), "a/_default/hosts.toml": say("three") },
      registry: "r.io:5000",
      endpoints: [from("three", "a/_default/hosts.toml", "r.io:5000")],
    },
    {
      title: "of IPv6 keeps its brackets",
      files: { "a/[fd00::1]_5000_/hosts.toml": say("one") },
      registry: "[fd00::1]:5000",
      endpoints: [from("one", "a/[fd00::1]_5000_/hosts.toml", "[fd00::1]:5000")],
    },
    {
      title: "is the first root's, even for its _default",
      files: { "a/_default/hosts.toml": say("one"), "b/r.io/hosts.toml": say("two") },
      given: { roots: "none:a:b" },
      registry: "r.io",
      endpoints: [from("one", "a/_default/hosts.toml", "r.io")],
    },
    {
      title: "is looked for in the next root if the first has none",
      files: { "a/other/hosts.toml": say("one"), "b/r.io/hosts.toml": say("two") },
      given: { roots: ":a::b:" },
      registry: "r.io",
      endpoints: [from("two", "b/r.io/hosts.toml", "r.io")],
    },
    {
      title: "without hosts.toml has docker's certificates",
      files: {
        "a/r.io/z.crt": "",
        "a/r.io/ca.crt": "",
        "a/r.io/me.cert": "",
        "a/r.io/me.key": "",
        "a/r.io/both.cert": "",
        "a/r.io/notes.txt": "",
        "a/r.io/old.crt/": "",
      },
      registry: "r.io",
      endpoints: [
        "https://r.io/v2 prwf a/r.io ca=a/r.io/ca.crt ca=a/r.io/z.crt client=a/r.io/both.cert+ client=a/r.io/me.cert+a/r.io/me.key",
      ],
    },
    {
      title: "with an empty hosts.toml as well",
      files: { "a/r.io/ca.crt": "", "a/r.io/hosts.toml": "" },
      registry: "r.io",
      endpoints: ["https://r.io/v2 prwf a/r.io ca=a/r.io/ca.crt"],
    },
    {
      title: "may be empty",
      files: { "a/localhost:5000/": "" },
      registry: "localhost:5000",
      endpoints: [
        "https://localhost:5000/v2 prwf a/localhost:5000 unverified",
        "http://localhost:5000/v2 prwf a/localhost:5000",
      ],
    },
  ]);
});

/** Of docker.io. */
const file = "a/docker.io/hosts.toml";
const ofHub = (text: string, more: Files = {}): Files => ({ [file]: text, ...more });
const mirror = (url: string, line: number, capabilities = "prwf") =>
  `${url} ${capabilities} ?ns=docker.io ${file}:${line}`;

describe("hosts.toml", () => {
  const registry = "docker.io";
  cases([
    {
      title: "has its hosts in the order of the file, and the server at the end",
      files: ofHub(`# mirrors
server = "https://registry-1.docker.io"

[host."https://public.example"]
  capabilities = ["pull"]
[host."https://internal.example:5000"]
  capabilities = ["Pull", "RESOLVE", "referrers"]
`),
      registry,
      endpoints: [
        mirror("https://public.example/v2", 4, "p"),
        mirror("https://internal.example:5000/v2", 6, "prf"),
        `https://registry-1.docker.io/v2 prwf ${file}:2`,
      ],
    },
    {
      title: "without a server ends with the registry",
      files: ofHub(`[host."https://m.example"]`),
      registry,
      endpoints: [mirror("https://m.example/v2", 1), hub],
    },
    {
      title: "of comments alone is the registry",
      files: ofHub("# nothing yet\n"),
      registry,
      endpoints: [hub],
    },
    {
      title: "with a server alone asks nobody else",
      files: ofHub(`server = "https://m.example"`),
      registry,
      endpoints: [mirror("https://m.example/v2", 1)],
    },
    {
      title: "with the mirror as its server asks it once",
      files: ofHub(`server = "https://m.example"\n[host."https://m.example"]`),
      registry,
      endpoints: [mirror("https://m.example/v2", 2)],
    },
    {
      title: "with the mirror as its server asks that for what the mirror may not",
      files: ofHub(`server = "https://m.example"\n[host."https://m.example"]\ncapabilities = ["pull"]`),
      registry,
      endpoints: [mirror("https://m.example/v2", 2, "p"), mirror("https://m.example/v2", 1, "rwf")],
    },
    {
      title: "with one server reached in two ways asks both",
      files: ofHub(`server = "https://m.example"\nskip_verify = true\n[host."https://m.example"]`),
      registry,
      endpoints: [mirror("https://m.example/v2", 3), `${mirror("https://m.example/v2", 1)} unverified`],
    },
    {
      title: "may name the registry by its own name",
      files: ofHub(`server = "https://docker.io"\n[host."https://registry-1.docker.io"]\ncapabilities = ["pull"]`),
      registry,
      endpoints: [`https://registry-1.docker.io/v2 p ${file}:2`, `https://docker.io/v2 prwf ${file}:1`],
    },
    {
      title: "adds /v2 to paths that do not end with it, unless it overrides them",
      files: ofHub(`
[host."https://a.example/"]
[host."https://b.example/us"]
[host."https://c.example/proxy/v2/"]
[host."https://d.example/x/..//v2/hub"]
override_path = true
[host."https://e.example/"]
override_path = true
[host."https://f.example"]
override_path = false
`),
      registry,
      endpoints: [
        mirror("https://a.example/v2", 2),
        mirror("https://b.example/us/v2", 3),
        mirror("https://c.example/proxy/v2", 4),
        mirror("https://d.example/v2/hub", 5),
        mirror("https://e.example", 7),
        mirror("https://f.example/v2", 9),
        hub,
      ],
    },
    {
      title: "takes https for what has no scheme; on loopback http after it",
      files: ofHub(`
[host."m.example:5000"]
[host."127.0.0.1:5000/hub"]
[host."httpbin.example"]
[host."HTTPS://M.example"]
`),
      registry,
      endpoints: [
        mirror("https://m.example:5000/v2", 2),
        `${mirror("https://127.0.0.1:5000/hub/v2", 3)} unverified`,
        mirror("http://127.0.0.1:5000/hub/v2", 3),
        mirror("https://httpbin.example/v2", 4),
        mirror("https://M.example/v2", 5),
        hub,
      ],
    },
    {
      title: "takes http as it is, and https before it where TLS has settings",
      files: ofHub(`
[host."http://localhost:5000"]
[host."http://m.example:5000"]
skip_verify = true
[host."http://n.example"]
skip_verify = false
[host."http://o.example:80"]
skip_verify = true
`),
      registry,
      endpoints: [
        mirror("http://localhost:5000/v2", 2),
        `${mirror("https://m.example:5000/v2", 3)} unverified`,
        mirror("http://m.example:5000/v2", 3),
        mirror("https://n.example/v2", 5),
        mirror("http://n.example/v2", 5),
        mirror("http://o.example:80/v2", 7),
        hub,
      ],
    },
    {
      title: "has all settings of TLS, with paths from its directory",
      files: ofHub(
        `
[host."https://a.example"]
ca = "ca.pem"
client = "me.pem"
[host."https://b.example"]
ca = ["ca.pem", "../shared.pem"]
client = ["me.pem", "you.pem"]
[host."https://c.example"]
client = [["me.cert", "me.key"], ["me.pem", ""]]
skip_verify = true
`,
        Object.fromEntries(
          ["ca.pem", "../shared.pem", "me.pem", "you.pem", "me.cert", "me.key"].map((name) => [
            `a/docker.io/${name}`,
            "",
          ]),
        ),
      ),
      registry,
      endpoints: [
        `${mirror("https://a.example/v2", 2)} ca=a/docker.io/ca.pem client=a/docker.io/me.pem+`,
        `${mirror("https://b.example/v2", 5)} ca=a/docker.io/ca.pem ca=a/shared.pem client=a/docker.io/me.pem+ client=a/docker.io/you.pem+`,
        `${mirror("https://c.example/v2", 8)} unverified client=a/docker.io/me.cert+a/docker.io/me.key client=a/docker.io/me.pem+`,
        hub,
      ],
    },
    {
      title: "has settings for the registry itself",
      files: ofHub(`\n[header]\nx-top = "yes"\n[host."https://m.example"]\n`),
      registry,
      endpoints: [mirror("https://m.example/v2", 4), `https://registry-1.docker.io/v2 prwf ${file}:2 x-top: yes`],
    },
    {
      title: "does not restrict the registry where it names no server",
      files: ofHub(`capabilities = ["pull"]\noverride_path = true\ndial_timeout = "1s"\nskip_verify = true`),
      registry,
      endpoints: [`https://registry-1.docker.io/v2 prwf ${file}:3 unverified 1000ms`],
    },
    {
      title: "may have loopback's certificate verified",
      files: { "a/localhost:5000/hosts.toml": "skip_verify = false" },
      registry: "localhost:5000",
      endpoints: [
        "https://localhost:5000/v2 prwf a/localhost:5000/hosts.toml:1",
        "http://localhost:5000/v2 prwf a/localhost:5000/hosts.toml:1",
      ],
    },
    {
      title: "has headers of one or of several values, after those of all",
      files: ofHub(`
[host."https://m.example".header]
X-One = "1"
x-two = ["a", "b"]
X-Two = "c"
x-all = "mine"
__proto__ = "x"
`),
      given: { roots: "a", headers: { "X-All": ["yours"], "x-more": "2" } },
      registry,
      endpoints: [
        `${mirror("https://m.example/v2", 2)} x-all: yours|mine x-more: 2 x-one: 1 x-two: a|b|c __proto__: x`,
        `${hub} x-all: yours x-more: 2`,
      ],
    },
    {
      title: "has time-outs in Go's form",
      files: ofHub(`
[host."https://a.example"]
dial_timeout = "1.5s"
[host."https://b.example"]
dial_timeout = ""
[host."https://c.example"]
dial_timeout = "0"
[host."https://d.example"]
dial_timeout = "9000h"
[host."https://e.example"]
dial_timeout = "1ns"
`),
      registry,
      endpoints: [
        `${mirror("https://a.example/v2", 2)} 1500ms`,
        mirror("https://b.example/v2", 4),
        `${mirror("https://c.example/v2", 6)} 2147483647ms`,
        `${mirror("https://d.example/v2", 8)} 2147483647ms`,
        `${mirror("https://e.example/v2", 10)} 1ms`,
        hub,
      ],
    },
    {
      title: "has all spellings of a table's header",
      files: ofHub(
        `
  [ host . 'https://single.example' ] # a comment
[host."https://\\u0065scaped.example"]
[host."https://sub.example".header]
a = "[host.'https://no.example']" # [host."https://no.example"]
[host.bare]
ca = [ # "]"
  "ca.pem", ']',
]
[other]
x = """
[host."https://no.example"]
\\""""""
y = '''
[host."https://no.example"]'''
z = [{ host = 1 }, 2022-01-01 07:00:00, {}]
["host"."https://quoted.example"]
`,
        { "a/docker.io/ca.pem": "", "a/docker.io/]": "" },
      ),
      registry,
      endpoints: [
        mirror("https://single.example/v2", 2),
        mirror("https://escaped.example/v2", 3),
        `${mirror("https://sub.example/v2", 4)} a: [host.'https://no.example']`,
        `${mirror("https://bare/v2", 6)} ca=a/docker.io/ca.pem ca=a/docker.io/]`,
        mirror("https://quoted.example/v2", 17),
        hub,
      ],
    },
    {
      title: "has dotted keys and inline tables",
      files: ofHub(`
host."https://dotted.example".capabilities = ["pull"]
host.'https://inline.example' = { header = { a = "1" }, capabilities = ["pull"] }
host.1 = {}
`),
      registry,
      endpoints: [
        mirror("https://dotted.example/v2", 2, "p"),
        `${mirror("https://inline.example/v2", 3, "p")} a: 1`,
        mirror("https://1/v2", 4),
        hub,
      ],
    },
    {
      title: "has tables in one table",
      files: ofHub(`
server = "" # the registry itself
[host]
"https://a.example" = {
}
"https://b.example".skip_verify = true
"https://b.example".capabilities = ["resolve"]
`),
      registry,
      endpoints: [mirror("https://a.example/v2", 4), `${mirror("https://b.example/v2", 6, "r")} unverified`, hub],
    },
  ]);

  it("acts on a change at the next call", async () => {
    await using tree = await plantTree(ofHub(`server = "https://one.example"`));
    const endpointsOf = createEndpoints(settingsOf({ roots: "a" }, tree.root));
    assert.equal((await endpointsOf("docker.io"))[0]?.host, "one.example");
    await writeFile(join(tree.root, file), `server = "https://two.example"`);
    assert.equal((await endpointsOf("docker.io"))[0]?.host, "two.example");
  });
});

describe("the tables that were before hosts.toml", () => {
  const mirrors = {
    "docker.io": { endpoint: ["https://m.example", "n.example/hub"] },
    "r.io": { endpoint: [] },
    "own.io:5000": { endpoint: ["http://own.io:5000", "https://m.example"] },
    "*": { endpoint: ["localhost:5000/v2/x"] },
  };
  cases([
    {
      title: "name mirrors, which are tried before the registry and never pushed to",
      given: { mirrors },
      registry: "docker.io",
      endpoints: [
        "https://m.example/v2 prf ?ns=docker.io config.toml:2",
        "https://n.example/hub prf ?ns=docker.io config.toml:2",
        hub,
      ],
    },
    {
      title: "name mirrors for all other registries",
      given: { mirrors },
      registry: "other.io",
      endpoints: [
        "https://localhost:5000/v2/x prf ?ns=other.io config.toml:2 unverified",
        "http://localhost:5000/v2/x prf ?ns=other.io config.toml:2",
        ownOf("other.io"),
      ],
    },
    {
      title: "may name no mirror for a registry",
      given: { mirrors },
      registry: "r.io",
      endpoints: [ownOf("r.io")],
    },
    {
      title: "may name the registry itself, at its place among the mirrors",
      given: { mirrors },
      registry: "own.io:5000",
      endpoints: ["http://own.io:5000/v2 prwf config.toml:2", "https://m.example/v2 prf ?ns=own.io:5000 config.toml:2"],
    },
    {
      title: "have settings of TLS by host",
      given: {
        mirrors,
        configs: {
          "m.example": { tls: { insecure_skip_verify: true, ca_file: "" } },
          "docker.io": { tls: { insecure_skip_verify: false } },
        },
      },
      registry: "docker.io",
      endpoints: [
        "https://m.example/v2 prf ?ns=docker.io config.toml:2 unverified",
        "https://n.example/hub prf ?ns=docker.io config.toml:2",
        hub,
      ],
    },
  ]);

  it("name the files of certificates", async () => {
    await using tree = await plantTree({ "ca.pem": "", "me.cert": "", "me.key": "" });
    const at = (name: string) => join(tree.root, name);
    const tls = { ca_file: at("ca.pem"), cert_file: at("me.cert"), key_file: at("me.key") };
    const [endpoint] = await createEndpoints(settingsOf({ configs: { "r.io": { tls } } }))("r.io");
    assert.deepEqual(endpoint?.tls, {
      ca: [tls.ca_file],
      client: [{ certificate: tls.cert_file, key: tls.key_file }],
      skipVerify: false,
    });
  });

  const base64 = (text: string) => Buffer.from(text).toString("base64");
  for (const [title, auth, credentials] of [
    ["a user and a password", { username: "u", password: "p" }, { kind: "password", user: "u", password: "p" }],
    ["a user alone", { username: "u" }, { kind: "password", user: "u", password: "" }],
    ["a token", { identitytoken: "t", auth: base64("u:p") }, { kind: "identity-token", token: "t" }],
    ["both in base64", { auth: base64("u:p:q\0\0") }, { kind: "password", user: "u", password: "p:q" }],
    ["a token in base64", { auth: `${base64(":t")}\n` }, { kind: "identity-token", token: "t" }],
    ["nothing", { username: "", auth: "" }, null],
  ] as const)
    for (const [host, registry] of [
      ["r.io:5000", "r.io:5000"],
      ["registry-1.docker.io", "docker.io"],
      ["docker.io", "docker.io"],
    ] as const)
      it(`have credentials of ${host}: ${title}`, async () => {
        await using tree = await plantTree({ "a/": "" });
        const given = { configs: { [host]: { auth } } };
        for (const settings of [settingsOf(given), settingsOf({ ...given, roots: "a" }, tree.root)])
          assert.deepEqual((await createEndpoints(settings)(registry))[0]?.credentials, credentials);
      });
});

describe("one mirror for all registries", () => {
  cases([
    {
      title: "is asked first, for all but pushes",
      given: { mirror: "https://m.example:5000" },
      registry: "docker.io",
      endpoints: ["https://m.example:5000/v2 prf ?ns=docker.io --registry-mirror", hub],
    },
    {
      title: "comes before the mirrors of a registry",
      files: ofHub(`[host."https://n.example"]`),
      given: { roots: "a", mirror: "m.example/hub" },
      registry: "docker.io",
      endpoints: [
        "https://m.example/hub/v2 prf ?ns=docker.io --registry-mirror",
        mirror("https://n.example/v2", 1),
        hub,
      ],
    },
    {
      title: "is reached as its own directory says",
      files: { "a/m.example:5000/ca.crt": "" },
      given: { roots: "a", mirror: "https://m.example:5000/hub" },
      registry: "r.io",
      endpoints: [
        "https://m.example:5000/hub/v2 prf ?ns=r.io --registry-mirror ca=a/m.example:5000/ca.crt",
        ownOf("r.io"),
      ],
    },
    {
      title: "is reached as the table of its host says",
      given: { configs: { "m.example": { tls: { insecure_skip_verify: true } } }, mirror: "m.example" },
      registry: "r.io",
      endpoints: ["https://m.example/v2 prf ?ns=r.io --registry-mirror unverified", ownOf("r.io")],
    },
    {
      title: "on this machine is tried with http as well",
      given: { mirror: "localhost:5000" },
      registry: "r.io",
      endpoints: [
        "https://localhost:5000/v2 prf ?ns=r.io --registry-mirror unverified",
        "http://localhost:5000/v2 prf ?ns=r.io --registry-mirror",
        ownOf("r.io"),
      ],
    },
    {
      title: "may be the registry, which is then asked once",
      given: { mirror: "https://registry-1.docker.io" },
      registry: "docker.io",
      endpoints: [
        "https://registry-1.docker.io/v2 prf --registry-mirror",
        "https://registry-1.docker.io/v2 w the default",
      ],
    },
    {
      title: "is not asked for what is on this machine",
      given: { mirror: "https://m.example" },
      registry: "127.0.0.1:80",
      endpoints: ["http://127.0.0.1:80/v2 prwf the default"],
    },
    { title: "may be empty", given: { mirror: "" }, registry: "r.io", endpoints: [ownOf("r.io")] },
  ]);
});

describe("durations in Go's form", () => {
  for (const [text, ms] of [
    ["0", 0],
    ["-0", 0],
    ["1h2m3.5s", 3_723_500],
    [".5s", 500],
    ["1.s", 1000],
    ["+2ms", 2],
    ["-1s", -1000],
    ["1500us", 1.5],
    ["1500µs", 1.5],
    ["1500μs", 1.5],
    ["", null],
    ["5", null],
    [".s", null],
    ["1d", null],
    [" 1s", null],
    ["1s ", null],
    ["1 s", null],
  ] as const)
    it(JSON.stringify(text), () => assert.equal(parseGoDuration(text), ms));
});

it("the line of a key is that of its first mention", () => {
  const lineOfKey = tomlLines(`a.b = 1 # b\r\n[c]\r\n"d e" = """\r\nx = 1"""\n'f' = {g = [
{h = 1}], i.j = 1}\n[a . k]\nl = 1`);
  const keys = "a a.b c c.d_e c.x c.f c.f.g c.f.h c.f.i c.f.i.j a.k a.k.l".split(" ");
  const lines = keys.map((key) => lineOfKey(key.replace("_", " ").split(".")));
  assert.deepEqual(lines, [1, 1, 2, 3, 0, 5, 5, 0, 6, 6, 7, 8]);
});
