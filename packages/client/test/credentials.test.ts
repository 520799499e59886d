import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BerthError, type Credentials } from "@berth/base";
import fc from "fast-check";
import { UsageError } from "../src/cli/usage-error.ts";
import { decodeBase64, encodeBase64 } from "../src/registry/base64.ts";
import { credentialsIn, helperIn, parseCredentialFile } from "../src/registry/credential-file.ts";
import { answerOf, credentialsOf, type Helper, type Login } from "../src/registry/credential-helper.ts";
import { credentialPaths } from "../src/registry/credential-paths.ts";
import {
  type CredentialDeps,
  checkSavable,
  findCredentials,
  othersWith,
  removeLogin,
  saveLogin,
} from "../src/registry/credential-store.ts";
import { withCredentials, withoutCredentials } from "../src/registry/edit-credential-file.ts";
import { nameOf, parseRegistry, prefixesOf } from "../src/registry/registry-name.ts";
import { type LineState, TypedLine } from "../src/registry/typed-line.ts";

const HUB = "https://index.docker.io/v1/";
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const entry = (login: string) => ({ auth: base64(login) });
const login = (user: string, password = "secret"): Login => ({ kind: "password", user, password });
const userOf = (found: Credentials | null): string | null => (found?.kind === "password" ? found.user : null);
const fails = (message: RegExp, act: () => unknown) =>
  assert.throws(act, (error) => error instanceof BerthError && message.test(error.message));

describe("base64", () => {
  it("is what everybody else has", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = Buffer.from(bytes).toString("base64");
        assert.equal(encodeBase64(bytes), text);
        assert.deepEqual(decodeBase64(text), bytes);
      }),
    );
  });

  it("may have broken lines", () => assert.deepEqual(decodeBase64("TW\r\nFu\n"), new TextEncoder().encode("Man")));

  for (const text of ["TQ", "TQ=", "T===", "====", "TW!u", "T Q==", "TQ==TQ==", "_-_-"])
    it(`is not ${text}`, () => assert.equal(decodeBase64(text), null));
});

describe("the name of a registry", () => {
  for (const [key, name] of [
    ["ghcr.io", "ghcr.io"],
    ["GHCR.io/", "ghcr.io"],
    ["https://ghcr.io/v1/", "ghcr.io"],
    ["http://localhost:5000", "localhost:5000"],
    ["quay.io/org/app", "quay.io/org/app"],
    [HUB, "docker.io"],
    ["index.docker.io", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
    ["index.docker.io/library", "docker.io/library"],
    ["index.docker.io.example", "index.docker.io.example"],
  ] as const)
    it(`of ${key} is ${name}`, () => assert.equal(nameOf(key), name));

  it("is taken from an argument, and is docker.io without one", () => {
    assert.equal(parseRegistry([]), "docker.io");
    for (const given of ["localhost", "localhost:5000", "[::1]:5000", "registry:5000", "a.example"])
      assert.equal(parseRegistry([given]), given);
    assert.equal(parseRegistry(["https://a.example/v2/"]), "a.example");
  });

  for (const given of ["", "registry", "quay.io/org", "a.example:port", "-u", "a b", "https://", "docker.io/library"])
    it(`is not ${JSON.stringify(given)}`, () =>
      assert.throws(() => parseRegistry([given]), { name: "UsageError", message: /is no registry: name its host/ }));

  it("is one", () => assert.throws(() => parseRegistry(["ghcr.io", "quay.io"]), UsageError));

  it("is the last that a repository's entry is looked for under", () =>
    assert.deepEqual(prefixesOf("quay.io/org/app"), ["quay.io/org/app", "quay.io/org", "quay.io"]));
});

describe("the files of a user", () => {
  const paths = (env: Record<string, string>) =>
    credentialPaths({
      env: (name) => env[name] ?? null,
      uid: 7,
      passwd: () => "root:x:0:0::/root:/bin/sh\nme:x:7:7:Me:/home/me:/bin/sh\n",
    });
  for (const [title, env, expected] of [
    [
      "are docker's, then containers'",
      { HOME: "/h" },
      ["/h/.docker/config.json", "/run/containers/7/auth.json", "/h/.config/containers/auth.json"],
    ],
    [
      "are where the variables say",
      { HOME: "/h", DOCKER_CONFIG: "/d", XDG_RUNTIME_DIR: "/r", XDG_CONFIG_HOME: "/c" },
      ["/d/config.json", "/r/containers/auth.json", "/c/containers/auth.json"],
    ],
    ["are one with REGISTRY_AUTH_FILE", { HOME: "/h", DOCKER_CONFIG: "/d", REGISTRY_AUTH_FILE: "/a" }, ["/a"]],
    [
      "are below the home of the password file without HOME",
      { REGISTRY_AUTH_FILE: "" },
      ["/home/me/.docker/config.json", "/run/containers/7/auth.json", "/home/me/.config/containers/auth.json"],
    ],
  ] as const)
    it(title, () => assert.deepEqual(paths(env), expected));
});

const parse = (content: unknown) => parseCredentialFile("/f", JSON.stringify(content));

describe("an entry", () => {
  for (const [title, given, expected] of [
    ["of docker login", entry("me:a:b"), login("me", "a:b")],
    [
      "with line breaks and zeros",
      { auth: `${base64("me:pass\0").slice(0, 4)}\n${base64("me:pass\0").slice(4)}` },
      login("me", "pass"),
    ],
    ["beyond ASCII", entry("müller:pässwörd✓"), login("müller", "pässwörd✓")],
    ["with plain fields", { username: "me", password: "pass" }, login("me", "pass")],
    ["with both", { ...entry("me:pass"), username: "other", password: "other" }, login("me", "pass")],
    ["with an identity token", { ...entry("<token>:"), identitytoken: "it" }, { kind: "identity-token", token: "it" }],
    ["with a registry token", { identitytoken: "it", registrytoken: "rt" }, { kind: "registry-token", token: "rt" }],
    ["that docker leaves for a helper", {}, null],
    ["of null", null, null],
    ["without a password", entry("me:"), null],
    ["of a user alone", { username: "me" }, null],
  ] as const)
    it(title, () => assert.deepEqual(credentialsIn(parse({ auths: { "a.example": given } }), "a.example"), expected));

  for (const [message, given] of [
    [/the entry for "a\.example" is no JSON object/, "text"],
    [/the entry for "a\.example" is no JSON object/, []],
    [/"auth" in the entry for "a\.example" is no JSON string/, { auth: 1 }],
    [/"auth" in the entry for "a\.example" is not USER:PASSWORD in base64/, { auth: "me:pass" }],
    [/is not USER:PASSWORD in base64/, entry("me")],
    [/is not USER:PASSWORD in base64/, entry(":pass")],
    [/is not USER:PASSWORD in base64/, { auth: Buffer.from([0x61, 0x3a, 0xff]).toString("base64") }],
    [/"identitytoken" in the entry for "a\.example" is no JSON string/, { identitytoken: {} }],
  ] as const)
    it(`is refused by name: ${JSON.stringify(given)}`, () =>
      fails(message, () => credentialsIn(parse({ auths: { "a.example": given } }), "a.example")));

  it("for another registry may be anything", () => {
    const file = parse({ auths: { "b.example": 7, "a.example": entry("me:pass") } });
    assert.equal(userOf(credentialsIn(file, "a.example")), "me");
  });
});

describe("a file", () => {
  for (const text of ["", " \n", "{}", "null", '{"auths":null,"credHelpers":null,"credsStore":null}'])
    it(`has nothing: ${JSON.stringify(text)}`, () => {
      const file = parseCredentialFile("/f", text);
      assert.equal(credentialsIn(file, "a.example"), null);
      assert.equal(helperIn(file, "a.example"), null);
    });

  it("that is broken is named, and not quoted", () => {
    for (const [message, text] of [
      [/^cannot take credentials from \/f: it is not JSON: correct the file, or move it away/, '{"auth":"c2VjcmV0'],
      [/from \/f: its content is no JSON object/, '["c2VjcmV0"]'],
    ] as const)
      assert.throws(
        () => parseCredentialFile("/f", text),
        ({ message: said }: BerthError) => message.test(said) && !said.includes("c2VjcmV0"),
      );
    fails(/"auths" is no JSON object/, () => credentialsIn(parse({ auths: [] }), "a.example"));
  });

  it("names helpers by host, for all, or for none", () => {
    const file = parse({ credsStore: "all", credHelpers: { "a.example": "one", [HUB]: "hub", "b.example": "" } });
    const programFor = (host: string) => helperIn(file, host)?.program;
    assert.equal(programFor("a.example"), "docker-credential-one");
    assert.equal(programFor("docker.io"), "docker-credential-hub");
    assert.equal(programFor("b.example"), undefined);
    assert.equal(programFor("c.example"), "docker-credential-all");
  });

  it("names helpers wrongly", () => {
    fails(/"credHelpers" is no JSON object/, () => helperIn(parse({ credHelpers: "x" }), "a.example"));
    fails(/the helper for "a\.example" is no JSON string/, () =>
      helperIn(parse({ credHelpers: { "a.example": {} } }), "a.example"),
    );
    fails(/"credsStore" is no JSON string/, () => helperIn(parse({ credsStore: true }), "a.example"));
    fails(/"credsStore" is no name of a program/, () => helperIn(parse({ credsStore: "../../tmp/x" }), "a.example"));
  });

  it("of any content at all throws nothing but sentences", () => {
    const hosts = fc.constantFrom("a.example", "docker.io", HUB, "__proto__", "constructor");
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record(
        { auth: fc.oneof(fc.base64String(), fc.jsonValue()), identitytoken: fc.jsonValue() },
        { requiredKeys: [] },
      ),
    );
    const content = fc.record(
      {
        auths: fc.oneof(fc.dictionary(hosts, value), fc.jsonValue()),
        credHelpers: fc.oneof(fc.dictionary(hosts, fc.jsonValue()), fc.jsonValue()),
        credsStore: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const text = fc.oneof(
      content.map((made) => JSON.stringify(made)),
      fc.json(),
      fc.string(),
    );
    const only = (act: () => void) => {
      try {
        act();
      } catch (error) {
        assert.ok(error instanceof BerthError, String(error));
        assert.doesNotMatch(error.message, /\n/);
      }
    };
    const helper: Helper = { program: "docker-credential-x", file: "/f" };
    fc.assert(
      fc.property(text, hosts, (given, host) => {
        only(() => {
          const file = parseCredentialFile("/f", given);
          only(() => helperIn(file, host));
          only(() => credentialsIn(file, host));
          only(() => {
            const written = parseCredentialFile("/f", withCredentials(file, host, login("me")));
            assert.equal(userOf(credentialsIn(written, nameOf(host))), "me");
          });
          only(() => withoutCredentials(file, host));
        });
        only(() => credentialsOf(helper, given));
        only(() => answerOf(helper, { status: 1, stdout: given, stderr: given }));
      }),
      { numRuns: 1000 },
    );
  });
});

/** Files by path, and helpers by program, which are tables of credentials by server. */
function fakeUser(files: Record<string, unknown>, helpers: Record<string, Record<string, string>> = {}) {
  const texts = new Map(Object.entries(files).map(([path, content]) => [path, JSON.stringify(content)]));
  const asked: string[] = [];
  const deps: CredentialDeps = {
    paths: ["/docker", "/run", "/config"],
    read: (path) => texts.get(path) ?? null,
    write: (path, text) => texts.set(path, text),
    async askHelper({ program }, verb, input) {
      const kept = helpers[program] ?? {};
      asked.push(`${program} ${verb} ${input}`);
      if (verb === "store") {
        kept[JSON.parse(input).ServerURL] = input;
        return "";
      }
      const answer = kept[input] ?? null;
      if (verb === "erase") delete kept[input];
      return answer;
    },
  };
  const find = async (host: string, repository = "") => userOf(await findCredentials(host, repository, deps));
  return { deps, asked, texts, find };
}
const answer = (user: string) => JSON.stringify({ ServerURL: "x", Username: user, Secret: "secret" });

describe("finding credentials", () => {
  it("takes the longest key that the repository begins with", async () => {
    const auths = { "quay.io": entry("host:x"), "quay.io/org/app": entry("app:x"), "quay.io/org": entry("org:x") };
    const { find } = fakeUser({ "/config": { auths } });
    assert.equal(await find("quay.io", "quay.io/org/app"), "app");
    assert.equal(await find("quay.io", "quay.io/org/other/app"), "org");
    assert.equal(await find("quay.io", "quay.io/organization/app"), "host");
    assert.equal(await find("quay.io"), "host");
    assert.equal(await find("mirror.example", "quay.io/org/app"), null);
  });

  it("knows the hosts of Docker Hub by each name", async () => {
    for (const key of [HUB, "docker.io", "index.docker.io", "registry-1.docker.io"])
      assert.equal(
        await fakeUser({ "/docker": { auths: { [key]: entry("hub:x") } } }).find(
          "registry-1.docker.io",
          "docker.io/library/busybox",
        ),
        "hub",
        key,
      );
    const both = { auths: { "docker.io": entry("second:x"), [HUB]: entry("first:x") } };
    assert.equal(await fakeUser({ "/docker": both }).find("docker.io"), "first");
  });

  it("an entry for a repository is none for its host", async () => {
    const { find } = fakeUser({ "/docker": { auths: { "quay.io/org": entry("org:x") } } });
    assert.equal(await find("quay.io", "quay.io/other/app"), null);
  });

  it("docker's file goes before containers', and what has nothing is passed over", async () => {
    const one = (user: string) => ({ auths: { "a.example": entry(`${user}:x`) } });
    assert.equal(await fakeUser({ "/docker": one("d"), "/run": one("r") }).find("a.example"), "d");
    assert.equal(
      await fakeUser({ "/docker": { auths: { "a.example": {} } }, "/run": one("r") }).find("a.example"),
      "r",
    );
    assert.equal(await fakeUser({ "/config": one("c") }).find("a.example"), "c");
    assert.equal(await fakeUser({}).find("a.example"), null);
  });

  it("a helper goes before the file that names it, unless it has nothing", async () => {
    const auths = { "a.example": entry("file:x"), [HUB]: entry("file:x") };
    const kept = { "docker-credential-h": { "a.example": answer("helper"), [HUB]: answer("hub") } };
    const { find, asked } = fakeUser({ "/docker": { auths, credsStore: "h" } }, kept);
    assert.equal(await find("a.example"), "helper");
    assert.equal(await find("registry-1.docker.io"), "hub");
    assert.equal(await find("b.example"), null);
    assert.deepEqual(
      asked,
      ["a.example", HUB, "b.example"].map((server) => `docker-credential-h get ${server}`),
    );
    assert.equal(await fakeUser({ "/docker": { auths, credsStore: "h" } }).find("a.example"), "file");
  });
});

describe("logging in and out", () => {
  it("is in the file that is asked first", async () => {
    const { deps, find, texts } = fakeUser({ "/run": { auths: { "a.example": entry("old:x") } } });
    assert.equal(await saveLogin("a.example", login("me"), deps), "/docker");
    assert.equal(await saveLogin("docker.io", login("hub"), deps), "/docker");
    assert.equal(await find("a.example"), "me");
    assert.deepEqual(Object.keys(JSON.parse(texts.get("/docker") ?? "").auths), ["a.example", HUB]);
    assert.equal(await removeLogin("a.example", deps), true);
    assert.equal(await removeLogin("a.example", deps), false);
    assert.equal(await find("a.example"), "old");
    assert.deepEqual(othersWith("a.example", deps), ["/run"]);
    assert.deepEqual(othersWith("b.example", deps), []);
  });

  it("is in the helper that the file names, and no more in the file", async () => {
    const helpers = { "docker-credential-h": {} };
    const { deps, find, asked, texts } = fakeUser(
      {
        "/docker": {
          auths: { "https://a.example": entry("old:x"), "b.example": {} },
          credHelpers: { "a.example": "h" },
        },
      },
      helpers,
    );
    assert.equal(await saveLogin("a.example", login("me"), deps), "docker-credential-h");
    assert.deepEqual(JSON.parse(texts.get("/docker") ?? "").auths, { "b.example": {} });
    assert.equal(await find("a.example"), "me");
    assert.equal(await removeLogin("a.example", deps), true);
    assert.equal(await removeLogin("a.example", deps), false);
    await saveLogin("a.example", { kind: "identity-token", token: "it" }, deps);
    assert.deepEqual(await findCredentials("a.example", "", deps), { kind: "identity-token", token: "it" });
    assert.equal(asked[0], `docker-credential-h store {"ServerURL":"a.example","Username":"me","Secret":"secret"}`);
  });

  it("does not begin with a file that is broken", async () => {
    for (const content of [{ auths: 1 }, { credsStore: 1 }, []]) {
      const { deps, texts } = fakeUser({ "/docker": content });
      fails(/cannot take credentials from \/docker/, () => checkSavable("a.example", deps));
      await assert.rejects(saveLogin("a.example", login("me"), deps), BerthError);
      await assert.rejects(removeLogin("a.example", deps), BerthError);
      assert.equal(texts.get("/docker"), JSON.stringify(content));
    }
  });

  it("repairs an entry", async () => {
    const { deps, find } = fakeUser({ "/docker": { auths: { "a.example": { auth: "?" } } } });
    await saveLogin("a.example", login("me"), deps);
    assert.equal(await find("a.example"), "me");
  });
});

describe("the text of a file", () => {
  const edit = (text: string, host = "a.example") =>
    withCredentials(parseCredentialFile("/f", text), host, login("me", "p"));
  const auth = base64("me:p");

  for (const [title, before, after] of [
    [
      "begins with docker's indentation",
      "",
      `{\n\t"auths": {\n\t\t"a.example": {\n\t\t\t"auth": "${auth}"\n\t\t}\n\t}\n}\n`,
    ],
    [
      "keeps its indentation and its end",
      '{\n  "x": 1\n}\n\n',
      `{\n  "x": 1,\n  "auths": {\n    "a.example": {\n      "auth": "${auth}"\n    }\n  }\n}\n\n`,
    ],
    ["stays on one line", '{"x":1}', `{"x":1,"auths":{"a.example":{"auth":"${auth}"}}}`],
    [
      "keeps all else, in its order",
      '{"z":1,"auths":{"b":{"auth":"?"},"a.example":{"auth":"old","email":"e"},"c":3},"a":{"__proto__":[null]}}',
      `{"z":1,"auths":{"b":{"auth":"?"},"a.example":{"auth":"${auth}"},"c":3},"a":{"__proto__":[null]}}`,
    ],
    [
      "has each registry once",
      '{"auths":{"https://a.example/v1/":{"auth":"x"},"a.example/app":{},"http://a.example":{}}}',
      `{"auths":{"a.example/app":{},"a.example":{"auth":"${auth}"}}}`,
    ],
  ] as const)
    it(title, () => assert.equal(edit(before), after));

  it("is as before after a logout", () => {
    const before = '{\n  "auths": {\n    "b.example": {}\n  },\n  "x": 1\n}';
    assert.equal(withoutCredentials(parseCredentialFile("/f", edit(before)), "a.example"), before);
    assert.equal(withoutCredentials(parseCredentialFile("/f", before), "a.example"), null);
  });
});

describe("a helper", () => {
  const helper: Helper = { program: "docker-credential-x", file: "/f" };
  const ended = (status: number, stdout: string, stderr = "") => answerOf(helper, { status, stdout, stderr });

  it("that has nothing is not one that fails", () => {
    assert.equal(ended(0, "{}"), "{}");
    assert.equal(ended(1, "credentials not found in native keychain\n"), null);
    fails(/^credential helper docker-credential-x, which \/f names, failed: the store is locked$/, () =>
      ended(1, "the store\n  is locked\n"),
    );
    fails(/failed: out err\?$/, () => ended(2, "out", "err\u001b"));
    fails(/failed: it ended with 3 and said nothing$/, () => ended(3, ""));
    fails(/^.{200,400}$/, () => ended(1, "x".repeat(1 << 20)));
  });

  it("answers in JSON", () => {
    assert.deepEqual(credentialsOf(helper, answer("me")), login("me"));
    assert.deepEqual(credentialsOf(helper, answer("<token>")), { kind: "identity-token", token: "secret" });
    assert.equal(credentialsOf(helper, '{"Username":"","Secret":""}'), null);
    for (const text of ["", "secret", "null", "5", "[]", "{}", '{"Username":"secret"}', '{"Username":1,"Secret":"s"}'])
      assert.throws(
        () => credentialsOf(helper, text),
        ({ message }: Error) =>
          /docker-credential-x.*has not answered with/.test(message) && !message.includes("secret"),
      );
  });
});

describe("a typed line", () => {
  const typed = (...chunks: string[]): [LineState, string] => {
    const line = new TypedLine();
    let state: LineState = "open";
    for (const chunk of chunks) state = line.feed(new TextEncoder().encode(chunk));
    return [state, line.text];
  };
  for (const [title, chunks, expected] of [
    ["ends with Enter, in either way", ["se", "cret\r"], ["done", "secret"]],
    ["drops what follows", ["secret\nmore"], ["done", "secret"]],
    ["is open before", ["sec"], ["open", "sec"]],
    ["is corrected by characters", ["sé✓\u007f\u007f\bx"], ["open", "x"]],
    ["is begun again", ["wrong\u0015right"], ["open", "right"]],
    ["is given up with ctrl-d, or ended by it", ["\u0004"], ["end", ""]],
    ["is ended by ctrl-d", ["a\u0004"], ["done", "a"]],
    ["is interrupted", ["a\u0003"], ["interrupt", "a"]],
    ["has no control characters", ["a\u001b\tb"], ["open", "ab"]],
    ["ends with the terminal", ["a", ""], ["end", "a"]],
  ] as const)
    it(title, () => assert.deepEqual(typed(...chunks), expected));
});
