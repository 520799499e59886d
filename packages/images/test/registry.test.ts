// The parts of the registry client that need no registry.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { BerthError, type Credentials, kindOf, unavailable } from "@berth/base";
import fc from "fast-check";
import { parsePlatform } from "../src/platform.ts";
import { createLimit } from "../src/pull/limit.ts";
import { createAuthorizer, mergedScopes } from "../src/registry/authorizer.ts";
import { parseChallenges } from "../src/registry/challenge.ts";
import { askEach, defaultFailOver } from "../src/registry/fail-over.ts";
import type { Http, HttpRequest, HttpResponse } from "../src/registry/http.ts";
import { Unreachable } from "../src/registry/network-error.ts";
import { RefusedByRegistry, refusal, retryAfter } from "../src/registry/status.ts";
import type { Endpoint } from "../src/registry/types.ts";

const never = new AbortController().signal;
const endpoint = (host: string, more: Partial<Endpoint> = {}): Endpoint => ({
  url: `https://${host}/v2`,
  host,
  namespace: "",
  capabilities: new Set(["pull", "resolve", "push"]),
  tls: { ca: [], client: [], skipVerify: false },
  headers: {},
  dialTimeoutMs: 1_000,
  credentials: null,
  source: { file: "the test", line: 0 },
  ...more,
});

describe("challenges of a registry", () => {
  const cases: readonly [header: string, expected: unknown][] = [
    ["", []],
    ["Basic", [{ scheme: "basic", parameters: {} }]],
    ['Basic realm="a, b"', [{ scheme: "basic", parameters: { realm: "a, b" } }]],
    [
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      [
        {
          scheme: "bearer",
          parameters: {
            realm: "https://auth.example/token",
            service: "registry.example",
            scope: "repository:a/b:pull,push",
          },
        },
      ],
    ],
    [
      'BEARER Realm = "x" , error=invalid_token, Basic realm="y"',
      [
        { scheme: "bearer", parameters: { realm: "x", error: "invalid_token" } },
        { scheme: "basic", parameters: { realm: "y" } },
      ],
    ],
    ['Bearer realm="a\\"b\\\\c"', [{ scheme: "bearer", parameters: { realm: 'a"b\\c' } }]],
    ['Bearer realm="one",realm="two"', [{ scheme: "bearer", parameters: { realm: "one" } }]],
    ['Bearer realm="never ends', [{ scheme: "bearer", parameters: {} }]],
    ['="x"', []],
  ];
  for (const [header, expected] of cases)
    it(JSON.stringify(header), () => assert.deepEqual(parseChallenges(header), expected));

  it("are read back, whatever their values", () => {
    const name = fc.stringMatching(/^[a-z]{1,8}$/);
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ unit: "grapheme-ascii" }), { minKeys: 1 }), (parameters) => {
        const quoted = Object.entries(parameters).map(
          ([key, value]) => `${key}="${value.replace(/(["\\])/g, "\\$1")}"`,
        );
        assert.deepEqual({ ...parseChallenges(`Bearer ${quoted.join(", ")}`)[0]?.parameters }, { ...parameters });
      }),
    );
  });

  it("of any bytes at all are read to an end", () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (header) => void parseChallenges(header)));
  });
});

describe("an answer that refuses", () => {
  const answer = (status: number, body: string, headers: Record<string, string> = {}): HttpResponse => ({
    status,
    header: (name) => headers[name] ?? "",
    headers: (name) => headers[name] ?? "",
    url: "https://a/v2",
    body: Readable.from([Buffer.from(body)]),
    discard() {},
  });
  it("has the kind of its status and the registry's own words", async () => {
    const body = JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest \u001b[31munknown" }] });
    const error = await refusal(answer(404, body), 0);
    assert.deepEqual([error.kind, error.isPassing], ["not-found", false]);
    assert.equal(error.message, "it answers 404 (manifest  [31munknown)");
    assert.equal((await refusal(answer(503, "<html>"), 0)).message, "it answers 503");
  });
  it("says when to come again, in seconds or as a date", async () => {
    assert.equal((await refusal(answer(429, "", { "retry-after": "7" }), 0)).retryAfterMs, 7_000);
    assert.equal(retryAfter("Fri, 27 Nov 2026 10:00:05 GMT", Date.UTC(2026, 10, 27, 10)), 5_000);
    assert.equal(retryAfter("Fri, 27 Nov 2026 09:00:00 GMT", Date.UTC(2026, 10, 27, 10)), 0);
    assert.equal(retryAfter("soon", 0), 0);
  });
});

describe("endpoints", () => {
  const settings = { ...defaultFailOver, backOffMs: 0 };
  const wish = { what: "image x cannot be pulled", registry: "docker.io", capability: "pull", signal: never } as const;
  const all = ["a", "b"].map((host) => ({ endpoint: endpoint(host) }));
  const refused = (status: number) => new RefusedByRegistry(status, `it answers ${status}`, 0);
  /** What each endpoint answers, one after the other. */
  async function ask(answers: Record<string, readonly unknown[]>): Promise<{ asked: string; outcome: unknown }> {
    const asked: string[] = [];
    const left = Object.fromEntries(Object.entries(answers).map(([host, list]) => [host, [...list]]));
    const outcome = await askEach(settings, all, wish, async ({ endpoint: { host } }) => {
      asked.push(host);
      const next = left[host]?.shift();
      if (next instanceof Error) throw next;
      return next;
    }).catch((error: unknown) => error);
    return { asked: asked.join(""), outcome };
  }

  it("are asked in order, and the first answer counts", async () => {
    assert.deepEqual(await ask({ a: ["one"] }), { asked: "a", outcome: "one" });
    assert.deepEqual(await ask({ a: [refused(404)], b: ["two"] }), { asked: "ab", outcome: "two" });
  });
  it("are asked again where what has failed may pass, and only those", async () => {
    const { asked, outcome } = await ask({ a: [refused(503), refused(429), "late"], b: [refused(404)] });
    assert.deepEqual([asked, outcome], ["abaa", "late"]);
  });
  it("are not asked again where nothing passes", async () => {
    const gone = new Unreachable("", Object.assign(new Error("x"), { code: "ECONNREFUSED" }));
    const { asked, outcome } = await ask({ a: [gone], b: [refused(403)] });
    assert.equal(asked, "ab");
    assert.equal(kindOf(outcome), "unavailable");
    assert.match(String(outcome), /https:\/\/a\/v2: the connection was refused.*; https:\/\/b\/v2: it answers 403/);
  });
  it("that have no address are named with what to look at", async () => {
    const lost = (code: string) => new Unreachable("", Object.assign(new Error("getaddrinfo"), { code }));
    const { outcome } = await ask({ a: [lost("ENOTFOUND")], b: Array(9).fill(lost("EAI_AGAIN")) });
    assert.match(
      String(outcome),
      /https:\/\/a\/v2: there is no such host; https:\/\/b\/v2: its name could not be looked up: is there a network/,
    );
  });
  it("are asked a few times at most", async () => {
    const { asked, outcome } = await ask({ a: Array(9).fill(refused(500)), b: Array(9).fill(refused(404)) });
    assert.equal(asked, `ab${"a".repeat(settings.rounds - 1)}`);
    assert.equal(kindOf(outcome), "unavailable");
  });
  it("that are not found by all of them are not found", async () => {
    const { outcome } = await ask({ a: [refused(404)], b: [refused(404)] });
    assert.equal(kindOf(outcome), "not-found");
    assert.match(String(outcome), /Check its name and its tag$/);
  });
  it("with a wait that is too long are not waited for", async () => {
    const { asked, outcome } = await ask({
      a: [new RefusedByRegistry(429, "it answers 429", 3_600_000)],
      b: [refused(404)],
    });
    assert.deepEqual([asked, kindOf(outcome)], ["ab", "resource-exhausted"]);
  });
  it("of another capability are not asked", async () => {
    const mirrors = all.map((one) => ({ endpoint: { ...one.endpoint, capabilities: new Set(["resolve"] as const) } }));
    await assert.rejects(
      askEach(settings, mirrors, wish, () => assert.fail()),
      /docker\.io has no endpoint with the capability pull/,
    );
  });
});

describe("who we are to an endpoint", () => {
  interface Exchange {
    readonly requests: HttpRequest[];
    readonly http: Http;
  }
  /** A token server that gives what its queue has. */
  function tokenServer(answers: readonly { status?: number; body: unknown }[]): Exchange {
    const requests: HttpRequest[] = [];
    const left = [...answers];
    const http: Http = {
      async request(_tls, request) {
        requests.push(request);
        const { status = 200, body } = left.shift() ?? assert.fail("nobody else is to ask");
        return {
          status,
          header: () => "",
          headers: () => "",
          url: request.url,
          body: Readable.from([Buffer.from(JSON.stringify(body))]),
          discard() {},
        };
      },
      async [Symbol.asyncDispose]() {},
    };
    return { requests, http };
  }
  const response = (status: number, challenge = ""): HttpResponse => ({
    status,
    header: () => challenge,
    headers: () => challenge,
    url: "",
    body: Readable.from([]),
    discard() {},
  });
  const scope = "repository:a:pull";
  const bearer = 'Bearer realm="https://auth.example/token?x=1",service="s",scope="repository:a:pull"';
  const password: Credentials = { kind: "password", user: "me", password: "se:cret" };
  /** A registry that takes one header only. */
  const registry = (good: string, challenge: string, sent: string[] = []) => ({
    sent,
    async answer(authorization: string) {
      sent.push(authorization);
      return response(authorization === good ? 200 : 401, challenge);
    },
  });

  it("asks for each resource once, with its actions in one order", () => {
    for (const [scopes, merged] of [
      ["", ""],
      ["repository:a/b:pull repository:a/b:push,pull", "repository:a/b:pull,push"],
      ["repository:a:pull,push  repository:b:5000/c:pull", "repository:a:pull,push repository:b:5000/c:pull"],
    ] as const)
      assert.equal(mergedScopes(scopes), merged);
  });
  it("is nobody where nobody asks", async () => {
    const { http } = tokenServer([]);
    const authorizer = createAuthorizer(http, endpoint("a"), () => assert.fail("nobody asks"));
    const { sent, answer } = registry("", "");
    assert.equal((await authorizer.send(scope, never, answer)).status, 200);
    assert.deepEqual(sent, [""]);
  });
  it("is a token that is got once and used again, by all that want it at once", async () => {
    const { http, requests } = tokenServer([{ body: { token: "t1", expires_in: 300 } }]);
    const authorizer = createAuthorizer(http, endpoint("a"), async () => password);
    const { sent, answer } = registry("Bearer t1", bearer);
    const all = await Promise.all([1, 2, 3].map(() => authorizer.send(scope, never, answer)));
    assert.deepEqual(
      all.map(({ status }) => status),
      [200, 200, 200],
    );
    await authorizer.send(scope, never, answer);
    assert.equal(sent.at(-1), "Bearer t1");
    assert.equal(requests.length, 1);
    const url = new URL(requests[0]?.url ?? "");
    assert.deepEqual(
      [url.origin, url.searchParams.get("x"), url.searchParams.get("service"), url.searchParams.getAll("scope")],
      ["https://auth.example", "1", "s", [scope]],
    );
    assert.equal(requests[0]?.headers.authorization, `Basic ${Buffer.from("me:se:cret").toString("base64")}`);
  });
  it("is a new token where the old one is refused, and an error where that is, too", async () => {
    const { http, requests } = tokenServer([{ body: { access_token: "t1" } }, { body: { token: "t2" } }]);
    const authorizer = createAuthorizer(http, endpoint("a"), async () => null);
    await authorizer.send(scope, never, registry("Bearer t1", bearer).answer);
    await authorizer.send(scope, never, registry("Bearer t2", bearer).answer);
    assert.equal(requests.length, 2);
    const { http: last } = tokenServer([
      { body: { token: "t1" } },
      { body: { token: "t3" } },
      { body: { token: "t4" } },
    ]);
    const other = createAuthorizer(last, endpoint("a"), async () => password);
    const error = await other.send(scope, never, registry("none", bearer).answer).catch((cause: unknown) => cause);
    assert.equal(kindOf(error), "unauthenticated");
    assert.match(String(error), /a refuses the credentials: log in again with berth login a$/);
  });
  it("is permission denied where a token is for less than was asked for", async () => {
    const { http } = tokenServer([{ body: { token: "t1" } }, { body: { token: "t2" } }, { body: { token: "t3" } }]);
    const authorizer = createAuthorizer(http, endpoint("a"), async () => password);
    const { answer } = registry("none", `${bearer},error="insufficient_scope"`);
    const error = await authorizer.send(scope, never, answer).catch((cause: unknown) => cause);
    assert.equal(kindOf(error), "permission-denied");
    assert.match(String(error), new RegExp(`a does not allow it with these credentials \\(${scope}\\)$`));
  });
  it("is got by a refresh token where that is what there is", async () => {
    const { http, requests } = tokenServer([{ body: { access_token: "t1" } }]);
    const authorizer = createAuthorizer(http, endpoint("a"), async () => ({ kind: "identity-token", token: "r" }));
    await authorizer.send(scope, never, registry("Bearer t1", bearer).answer);
    assert.equal(requests[0]?.method, "POST");
    assert.equal(new URLSearchParams(String(requests[0]?.body)).get("refresh_token"), "r");
  });
  it("is a user with a password, and the endpoint's own before the caller's", async () => {
    const own: Credentials = { kind: "password", user: "own", password: "p" };
    const { http } = tokenServer([]);
    const authorizer = createAuthorizer(http, endpoint("a", { credentials: own }), () => assert.fail("not asked"));
    const { sent, answer } = registry(`Basic ${Buffer.from("own:p").toString("base64")}`, 'Basic realm="x"');
    assert.equal((await authorizer.send(scope, never, answer)).status, 200);
    assert.equal((await authorizer.send("other", never, answer)).status, 200);
    assert.equal(sent.length, 3);
  });
  it("is told to log in where there is nothing, by the name of the host", async () => {
    const { http } = tokenServer([{ status: 401, body: {} }]);
    const nobody = createAuthorizer(http, endpoint("a:5000"), async () => null);
    await assert.rejects(nobody.send(scope, never, registry("x", 'Basic realm="x"').answer), /berth login a:5000$/);
    await assert.rejects(
      nobody.send(scope, never, registry("x", bearer).answer),
      (error) => kindOf(error) === "unauthenticated" && /https:\/\/auth\.example/.test(String(error)),
    );
  });
  it("does not believe an answer that is no token", async () => {
    for (const body of [{}, [], { token: 1 }, { token: "" }, null]) {
      const { http } = tokenServer([{ body }]);
      const authorizer = createAuthorizer(http, endpoint("a"), async () => null);
      const error = await authorizer.send(scope, never, registry("x", bearer).answer).catch((cause: unknown) => cause);
      assert.ok(error instanceof BerthError, String(error));
    }
  });
});

it("work is done so many at once, in order", async () => {
  const limited = createLimit(2);
  const [order, ends]: [number[], (() => void)[]] = [[], []];
  const all = [0, 1, 2, 3].map((at) =>
    limited(async () => {
      order.push(at);
      await new Promise<void>((resolve) => ends.push(resolve));
      if (at === 1) throw unavailable("one fails");
    }).catch(() => {}),
  );
  await new Promise((turn) => setImmediate(turn));
  assert.deepEqual(order, [0, 1]);
  ends[1]?.();
  await new Promise((turn) => setImmediate(turn));
  assert.deepEqual(order, [0, 1, 2]);
  ends[0]?.();
  ends[2]?.();
  await new Promise((turn) => setImmediate(turn));
  ends[3]?.();
  await Promise.all(all);
  assert.deepEqual(order, [0, 1, 2, 3]);
});

describe("a platform as users write it", () => {
  const own = { os: "linux", architecture: "amd64", variant: "" };
  const cases: readonly [string, string][] = [
    ["linux/arm64", "linux/arm64/"],
    ["linux/arm64/v8", "linux/arm64/"],
    ["linux/arm/v7", "linux/arm/v7"],
    ["arm64", "linux/arm64/"],
    ["x86_64", "linux/amd64/"],
    ["windows", "windows/amd64/"],
  ];
  for (const [text, expected] of cases)
    it(text, () => {
      const { os, architecture, variant } = parsePlatform(text, own);
      assert.equal(`${os}/${architecture}/${variant}`, expected);
    });
  for (const text of ["", "/", "linux/", "a/b/c/d", "linux/am d64"])
    it(`${JSON.stringify(text)} is none`, () => {
      assert.throws(
        () => parsePlatform(text, own),
        (error) => kindOf(error) === "invalid-argument",
      );
    });
});
