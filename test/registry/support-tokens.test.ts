// The token server for tests, with the registry that sends its clients there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { type AskOptions, ask, basic } from "../support/registry/ask.ts";
import { makeCertificates } from "../support/registry/certificates.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { hasSkopeo, push } from "../support/registry/skopeo.ts";
import { startTokenServer, type TokenServer } from "../support/registry/token-server.ts";

const skip = hasRegistry() && hasSkopeo() ? false : "needs docker-registry and skopeo";
const own = takeOwnTmp();
after(own.remove);

const [user, password] = ["tester", "secret"];
const authorization = basic(user, password);
const scope = "repository:private/image:pull,push";

describe("a registry with tokens", { skip }, () => {
  let tokens: TokenServer;
  let registry: Registry;
  beforeEach(async () => {
    tokens = await startTokenServer({ users: { [user]: password }, anonymous: ["open/image"] });
    registry = await startRegistry({ auth: tokens.auth });
  });
  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });

  const get = async (query: Record<string, string>, headers = {}) => {
    const asked = new URLSearchParams({ service: tokens.auth.service, ...query });
    return await answerOf(`${tokens.auth.realm}?${asked}`, { headers });
  };
  const post = async (form: Record<string, string>) => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = new URLSearchParams({ service: tokens.auth.service, scope, client_id: "test", ...form }).toString();
    return await answerOf(tokens.auth.realm, { method: "POST", headers, body });
  };
  const answerOf = async (url: string, options: AskOptions) => {
    const { status, body } = await ask(url, options);
    return { status, ...JSON.parse(body.toString()) };
  };
  const statusWith = async (token: string, path = "private/image/tags/list") =>
    (await ask(`${registry.url}/v2/${path}`, { headers: { authorization: `Bearer ${token}` } })).status;

  it("challenges, and says which scope it wants", async () => {
    const { status, headers } = await ask(`${registry.url}/v2/private/image/manifests/1`);
    assert.equal(status, 401);
    const { realm, service } = tokens.auth;
    const wanted = `Bearer realm="${realm}",service="${service}",scope="repository:private/image:pull"`;
    assert.equal(headers["www-authenticate"], wanted);
  });

  it("takes a token that a password was given for, by GET", async () => {
    const { token, expires_in } = await get({ scope, client_id: "test" }, { authorization });
    assert.equal(expires_in, 300);
    // There is no such repository, which it says to those alone who may know.
    assert.equal(await statusWith(token), 404);
    assert.deepEqual(tokens.requests, [
      {
        ...{ method: "GET", grantType: "password", service: tokens.auth.service, scopes: [scope], clientId: "test" },
        ...{ offline: false, user, password, refreshToken: "", status: 200 },
      },
    ]);
  });

  it("takes tokens that a password, and a refresh token, were given for, by POST", async () => {
    const credentials = { grant_type: "password", username: user, password, access_type: "offline" };
    const { access_token, refresh_token } = await post(credentials);
    assert.equal(await statusWith(access_token), 404);
    const refreshed = await post({ grant_type: "refresh_token", refresh_token });
    assert.equal(await statusWith(refreshed.access_token), 404);
    assert.equal("refresh_token" in refreshed, false);
    assert.deepEqual(
      tokens.requests.map(({ method, grantType, offline }) => [method, grantType, offline]),
      [
        ["POST", "password", true],
        ["POST", "refresh_token", false],
      ],
    );
    tokens.revoke();
    assert.equal((await post({ grant_type: "refresh_token", refresh_token })).status, 401);
  });

  it("gives a refresh token by GET to those who want one", async () => {
    const { refresh_token } = await get({ scope, offline_token: "true" }, { authorization });
    assert.equal((await post({ grant_type: "refresh_token", refresh_token })).status, 200);
  });

  it("gives nothing for a wrong password", async () => {
    assert.equal((await get({ scope }, { authorization: basic(user, "wrong") })).status, 401);
    assert.equal((await post({ grant_type: "password", username: user, password: "wrong" })).status, 401);
    assert.equal((await get({ scope }, { authorization: basic("toString", password) })).status, 401);
  });

  it("that knows GET alone answers 405 to POST", async () => {
    tokens.settings.oauth = false;
    assert.equal((await post({ grant_type: "password", username: user, password })).status, 405);
    assert.equal((await get({ scope }, { authorization })).status, 200);
  });

  it("refuses a token that has expired, whatever was said of it", async () => {
    tokens.settings.validFor = -120;
    tokens.settings.expiresIn = null;
    const { token, expires_in } = await get({ scope }, { authorization });
    assert.equal(expires_in, undefined);
    assert.equal(await statusWith(token), 401);
  });

  it("lets everybody pull from what is open, and nobody push", async () => {
    const everything = "repository:open/image:pull,push";
    const { token } = await get({ scope: everything });
    assert.equal(await statusWith(token, "open/image/tags/list"), 404);
    const headers = { authorization: `Bearer ${token}` };
    const answer = await ask(`${registry.url}/v2/open/image/blobs/uploads/`, { method: "POST", headers });
    assert.equal(answer.status, 401);
    assert.match(answer.headers["www-authenticate"] ?? "", /error="insufficient_scope"/);
  });

  it("takes images from skopeo", async () => {
    const layout = makeLayout(join(own.dir, "layout"), imageOf({ layers: [{ size: 100 }] }));
    const name = `${registry.address}/private/image:1`;
    await push(layout, name, { credentials: { user, password } });
    await assert.rejects(push(layout, name), /requested access to the resource is denied/);
    assert.ok(tokens.requests.some(({ scopes }) => scopes.some((each) => each.includes("push"))));
  });
});

describe("a token server", { skip }, () => {
  it("speaks TLS, can be down, and comes back", async () => {
    using certificates = await makeCertificates();
    await using tokens = await startTokenServer({ tls: certificates });
    const asked = async () => (await ask(tokens.auth.realm, { certificates })).status;
    assert.equal(await asked(), 200);
    await tokens.down();
    await assert.rejects(asked(), { code: "ECONNREFUSED" });
    await tokens.up();
    assert.equal(await asked(), 200);
  });
});
