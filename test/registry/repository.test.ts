// The registry client on a real registry, and on mirrors of it that do wrong.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { type Credentials, createEndpoints, type Endpoint } from "@berth/images";
import { rangedBlob } from "../../packages/images/src/pull/ranged-blob.ts";
import { defaultFailOver } from "../../packages/images/src/registry/fail-over.ts";
import { openRepository, type Repository } from "../../packages/images/src/registry/repository.ts";
import { makeCertificates } from "../support/registry/certificates.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { gate } from "../support/registry/gate.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { type FaultyMirror, type Rule, startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { startTokenServer } from "../support/registry/token-server.ts";
import { upload } from "../support/registry/upload.ts";

const own = takeOwnTmp();
after(own.remove);

const SIZE = 3 << 20;
const image = imageOf({ compression: "none", layers: [{ size: SIZE }] });
const layout = makeLayout(join(own.dir, "layout"), image);
const [digest = "", bytes = new Uint8Array()] = [...image.blobs].find(([, { length }]) => length > SIZE) ?? [];
const wanted = { mediaType: "", digest, size: bytes.length, annotations: {} };
const manifest = image.descriptor.digest;
const never = new AbortController().signal;
const failOver = { ...defaultFailOver, backOffMs: 1 };

/** An endpoint as hosts.toml would make it. */
const endpoint = (url: string, more: Partial<Endpoint> = {}): Endpoint => ({
  url: `${url}/v2`,
  host: new URL(url).host,
  namespace: "",
  capabilities: new Set(["pull", "resolve"]),
  tls: { ca: [], client: [], skipVerify: false },
  headers: {},
  dialTimeoutMs: 30_000,
  credentials: null,
  source: { file: "the test", line: 0 },
  ...more,
});

interface Opening {
  readonly credentials?: Credentials | null;
  readonly stallTimeoutMs?: number;
}
const open = (endpoints: readonly Endpoint[], { credentials = null, stallTimeoutMs = 30_000 }: Opening = {}) =>
  openRepository("registry.example", "image", {
    endpointsOf: async () => endpoints,
    credentialsFor: async () => credentials,
    failOver,
    stallTimeoutMs,
    userAgent: "berth/test",
  });

/** The whole blob, and from how many endpoints it came. */
async function blobOf(repository: Repository, distrusted: ReadonlySet<Endpoint> = new Set(), offset = 0) {
  const parts: Uint8Array[] = [];
  const senders = new Set<Endpoint>();
  for await (const { data, endpoint: from } of repository.blob(wanted, { offset, distrusted, signal: never })) {
    parts.push(data);
    senders.add(from);
  }
  return { bytes: Buffer.concat(parts), senders };
}
const failure = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => `${kindOf(error)}: ${messageOf(error)}`,
  );

describe("the registry client", { skip: hasRegistry() ? false : "needs docker-registry" }, () => {
  let registry: Registry;
  before(async () => {
    registry = await startRegistry();
    await upload(layout, registry, "image", "1");
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });
  const mirrorWith = (...rules: Rule[]): Promise<FaultyMirror> => startFaultyMirror(registry, rules);
  /** Blobs, as a mirror was asked for them. */
  const blobRequests = ({ requests }: FaultyMirror) =>
    requests.filter(({ path, method }) => method === "GET" && path.includes("/blobs/"));

  it("resolves a tag, and gets its manifest and blobs", async () => {
    await using repository = open([endpoint(registry.url)]);
    const descriptor = await repository.resolve("1", never);
    assert.deepEqual([descriptor.digest, descriptor.mediaType], [manifest, image.descriptor.mediaType]);
    assert.equal(descriptor.size, image.blobs.get(manifest)?.length);
    const document = await repository.document(manifest, never);
    assert.deepEqual(Buffer.from(document.bytes), Buffer.from(image.blobs.get(manifest) ?? ""));
    assert.ok((await blobOf(repository)).bytes.equals(bytes));
  });

  it("asks a mirror first and says for whom, and the registry for what the mirror has not", async () => {
    await using empty = await startFaultyMirror(null);
    await using repository = open([
      endpoint(empty.url, { namespace: "registry.example", headers: { "x-own": ["1", "2"] } }),
      endpoint(registry.url),
    ]);
    assert.equal((await repository.resolve("1", never)).digest, manifest);
    assert.ok((await blobOf(repository)).bytes.equals(bytes));
    const [first] = empty.requests;
    assert.equal(first?.query.get("ns"), "registry.example");
    assert.equal(first?.headers["x-own"], "1, 2");
    assert.equal(first?.headers["user-agent"], "berth/test");
  });

  for (const [what, rule] of [
    ["answers 500", { fault: faults.respond(500) }],
    ["answers 429 for long", { fault: faults.respond(429, { "retry-after": "3600" }) }],
    ["hangs up", { fault: faults.hangUp() }],
    ["wants a login", { fault: faults.respond(401, { "www-authenticate": 'Basic realm="x"' }) }],
    ["forbids", { fault: faults.respond(403) }],
  ] as const)
    it(`takes the next endpoint where one ${what}`, async () => {
      await using mirror = await mirrorWith(rule);
      await using repository = open([endpoint(mirror.url), endpoint(registry.url)]);
      assert.equal((await repository.resolve("1", never)).digest, manifest);
      assert.ok((await blobOf(repository)).bytes.equals(bytes));
    });

  it("tries again what may pass, as long as the registry asks for no more than it waits", async () => {
    await using mirror = await mirrorWith({ times: 2, fault: faults.respond(503, { "retry-after": "0" }) });
    await using repository = open([endpoint(mirror.url)]);
    assert.equal((await repository.resolve("1", never)).digest, manifest);
    assert.equal(mirror.requests.length, 3);
  });

  it("asks one that is down no more than once", async () => {
    await using mirror = await mirrorWith();
    await mirror.down();
    await using repository = open([endpoint(mirror.url), endpoint(registry.url)]);
    await repository.resolve("1", never);
    await mirror.up();
    await repository.document(manifest, never);
    await blobOf(repository);
    assert.equal(mirror.requests.length, 0);
  });

  it("goes on where a body was cut, with the next endpoint", async () => {
    await using mirror = await mirrorWith({ path: /blobs/, fault: faults.cutAfter(1_000_000) });
    await using second = await mirrorWith();
    const endpoints = [endpoint(mirror.url), endpoint(second.url)];
    await using repository = open(endpoints);
    const { bytes: got, senders } = await blobOf(repository);
    assert.ok(got.equals(bytes));
    assert.deepEqual([...senders], endpoints);
    assert.match(String(blobRequests(second)[0]?.headers.range), /^bytes=\d+-\d+$/);
    assert.notEqual(blobRequests(second)[0]?.headers.range, `bytes=0-${bytes.length - 1}`);
  });

  it("goes on where a body has stopped, once nothing comes any more", async () => {
    const stopped = gate();
    await using mirror = await mirrorWith({ path: /blobs/, fault: faults.stallAfter(100_000, stopped) });
    await using repository = open([endpoint(mirror.url), endpoint(registry.url)], { stallTimeoutMs: 200 });
    assert.ok((await blobOf(repository)).bytes.equals(bytes));
    stopped.open();
  });

  it("goes on with the same registry where there is no other, again and again", async () => {
    await using mirror = await mirrorWith({ path: /blobs/, fault: faults.cutAfter(700_000) });
    await using repository = open([endpoint(mirror.url)]);
    assert.ok((await blobOf(repository)).bytes.equals(bytes));
    assert.ok(blobRequests(mirror).length >= 5);
  });

  it("gives up where nothing more comes, however often it asks", async () => {
    await using mirror = await mirrorWith({ path: /blobs/, fault: faults.cutAfter(0) });
    await using repository = open([endpoint(mirror.url)]);
    assert.match(await failure(blobOf(repository)), /^unavailable: .*it stops after 0 of \d+ bytes/);
  });

  it("goes on from what is here, also with who knows no ranges", async () => {
    await using mirror = await mirrorWith({ path: /blobs/, fault: faults.ignoreRange() });
    await using repository = open([endpoint(mirror.url)]);
    const { bytes: rest } = await blobOf(repository, new Set(), 1_234_567);
    assert.ok(rest.equals(bytes.subarray(1_234_567)));
  });

  it("fetches a large blob in parts at once, and in one piece where there are no ranges", async () => {
    const ranges = { part: 400_000, atOnce: 3 };
    for (const rules of [[], [{ path: /blobs/, fault: faults.ignoreRange() }]]) {
      await using mirror = await mirrorWith(...rules);
      await using repository = open([endpoint(mirror.url)]);
      for (const offset of [0, 1_234_567]) {
        const begun = blobRequests(mirror).length;
        const parts: Uint8Array[] = [];
        const options = { offset, distrusted: new Set<Endpoint>(), signal: never };
        for await (const { data } of rangedBlob(repository, wanted, options, ranges)) parts.push(data);
        assert.ok(Buffer.concat(parts).equals(bytes.subarray(offset)));
        const asked = blobRequests(mirror).length - begun;
        assert.equal(asked, rules.length > 0 ? 2 : Math.ceil((bytes.length - offset) / ranges.part));
      }
    }
  });

  it("goes on with a part where one was cut, and ends the others where one fails", async () => {
    await using mirror = await mirrorWith({ path: /blobs/, times: 4, fault: faults.cutAfter(100_000) });
    await using repository = open([endpoint(mirror.url)]);
    const parts: Uint8Array[] = [];
    const options = { offset: 0, distrusted: new Set<Endpoint>(), signal: never };
    const ranges = { part: 400_000, atOnce: 4 };
    for await (const { data } of rangedBlob(repository, wanted, options, ranges)) parts.push(data);
    assert.ok(Buffer.concat(parts).equals(bytes));
    mirror.setRules([
      {
        path: /blobs/,
        fault: (call, pass) =>
          /bytes=8/.test(call.headers.range ?? "") ? faults.respond(403)(call, pass) : pass(call),
      },
    ]);
    await assert.rejects(async () => {
      for await (const _ of rangedBlob(repository, wanted, options, ranges));
    }, /it answers 403/);
  });

  it("believes no other range than the one that was asked for", async () => {
    const fault = faults.changeHeaders({ "content-range": `bytes 2000000-${bytes.length - 1}/${bytes.length}` });
    await using mirror = await mirrorWith({ path: /blobs/, fault });
    await using repository = open([endpoint(mirror.url), endpoint(registry.url)]);
    assert.ok((await blobOf(repository, new Set(), 1_000_000)).bytes.equals(bytes.subarray(1_000_000)));
  });

  it("takes no more bytes than the blob has", async () => {
    const longer = faults.changeBody((all) => Buffer.concat([all, Buffer.alloc(1 << 20)]));
    await using mirror = await mirrorWith({ path: /blobs/, fault: longer });
    await using repository = open([endpoint(mirror.url)]);
    assert.ok((await blobOf(repository)).bytes.equals(bytes));
  });

  it("takes a short body for an interruption", async () => {
    await using mirror = await mirrorWith({ path: /blobs/, times: 1, fault: faults.truncate(1_000) });
    await using repository = open([endpoint(mirror.url)]);
    assert.ok((await blobOf(repository)).bytes.equals(bytes));
  });

  for (const [what, fault] of [
    ["with a bit flipped", faults.flipBit(20)],
    ["cut short", faults.truncate(30)],
    ["that never ends", faults.neverEnd()],
  ] as const)
    it(`refuses a manifest ${what}, and takes the next endpoint's`, async () => {
      await using mirror = await mirrorWith({ path: /manifests/, method: "GET", fault });
      await using alone = open([endpoint(mirror.url)]);
      const said = await failure(alone.document(manifest, never));
      assert.match(said, /^(data-loss|unavailable): manifest registry\.example\/image@sha256:/);
      await using repository = open([endpoint(mirror.url), endpoint(registry.url)]);
      assert.equal((await repository.document(manifest, never)).descriptor.digest, manifest);
    });

  it("asks for the manifest where a tag's answer says too little", async () => {
    const silent = faults.changeHeaders({ "docker-content-digest": null });
    await using mirror = await mirrorWith({ method: "HEAD", fault: silent });
    await using repository = open([endpoint(mirror.url)]);
    assert.equal((await repository.resolve("1", never)).digest, manifest);
    await using none = await mirrorWith({ method: "HEAD", fault: faults.respond(405) });
    await using other = open([endpoint(none.url)]);
    assert.equal((await other.resolve("1", never)).digest, manifest);
  });

  it("carries no credentials to where it is redirected", async () => {
    await using storage = await mirrorWith();
    const challenge = { "www-authenticate": 'Basic realm="x"' };
    await using mirror = await mirrorWith({
      path: /blobs/,
      fault: (call, pass) =>
        call.headers.authorization === undefined
          ? faults.respond(401, challenge)(call, pass)
          : faults.redirectTo(storage.url)(call, pass),
    });
    const own: Credentials = { kind: "password", user: "me", password: "secret" };
    await using repository = open([endpoint(mirror.url, { headers: { "x-secret": ["1"] } })], { credentials: own });
    assert.ok((await blobOf(repository, new Set(), 5)).bytes.equals(bytes.subarray(5)));
    const [request] = blobRequests(storage);
    assert.deepEqual([request?.headers.authorization, request?.headers["x-secret"]], [undefined, undefined]);
    assert.equal(request?.headers.range, `bytes=5-${bytes.length - 1}`);
  });

  it("does not follow redirects for ever", async () => {
    await using mirror = await mirrorWith();
    mirror.setRules([{ fault: faults.redirectTo(mirror.url) }]);
    await using repository = open([endpoint(mirror.url)]);
    assert.match(await failure(repository.resolve("1", never)), /it redirects more than 10 times/);
  });

  it("ends at once when nobody waits for it", async () => {
    const held = gate();
    await using mirror = await mirrorWith({ fault: faults.holdAt(held) });
    await using repository = open([endpoint(mirror.url)]);
    const controller = new AbortController();
    const resolving = repository.resolve("1", controller.signal);
    await held.reached();
    controller.abort(new Error("enough"));
    await assert.rejects(resolving, /enough/);
    held.open();
  });

  it("says which of several has said what", async () => {
    await using empty = await startFaultyMirror(null);
    await using repository = open([endpoint(empty.url), endpoint(registry.url)]);
    assert.equal(
      await failure(repository.resolve("2", never)),
      `not-found: image registry.example/image:2 cannot be pulled: ${empty.url}/v2: it answers 404; ${registry.url}/v2: it answers 404. Check its name and its tag`,
    );
  });

  it("speaks TLS with the authority that is configured, and says what is wrong with others", async () => {
    using certificates = await makeCertificates();
    using strangers = await makeCertificates();
    await using secure = await startRegistry({ tls: certificates, clientAuth: true });
    const client = [{ certificate: certificates.client.certificate, key: certificates.client.key }];
    const tls = { ca: [certificates.ca], client, skipVerify: false };
    await using good = open([endpoint(secure.url, { tls })]);
    assert.match(await failure(good.resolve("1", never)), /^not-found: /);
    for (const [changed, words] of [
      [
        { ca: [], client, skipVerify: false },
        /its certificate's authority is not known here: name it as ca in hosts\.toml/,
      ],
      [{ ca: [strangers.ca], client, skipVerify: false }, /its certificate's authority is not known here/],
      [{ ca: [certificates.ca], client: [], skipVerify: false }, /it wants a client certificate/],
      [{ ca: ["/no/such.pem"], client: [], skipVerify: false }, /certificate file \/no\/such\.pem .*no such file/],
    ] as const) {
      await using bad = open([endpoint(secure.url, { tls: changed })]);
      assert.match(await failure(bad.resolve("1", never)), words);
    }
    await using lax = open([endpoint(secure.url, { tls: { ca: [], client, skipVerify: true } })]);
    assert.match(await failure(lax.resolve("1", never)), /^not-found: /);
    await using plain = open([endpoint(registry.url.replace("http:", "https:"))]);
    assert.match(await failure(plain.resolve("1", never)), /it speaks plain http: configure it as http:\/\//);
  });

  it("logs in by htpasswd, and says what to do where it is refused", async () => {
    const user = { user: "me", password: "secret" };
    await using guarded = await startRegistry({ auth: { kind: "htpasswd", ...user } });
    const at = endpoint(guarded.url);
    await using known = open([at], { credentials: { kind: "password", ...user } });
    assert.match(await failure(known.resolve("1", never)), /^not-found: /);
    await using wrong = open([at], { credentials: { kind: "password", ...user, password: "guess" } });
    assert.match(await failure(wrong.resolve("1", never)), /^unauthenticated: .*berth login 127\.0\.0\.1:\d+$/);
    await using nobody = open([at]);
    assert.match(await failure(nobody.resolve("1", never)), /^unauthenticated: .*berth login 127\.0\.0\.1:\d+$/);
  });

  it("gets tokens: for nobody, by password and by refresh token, and again where they have expired", async () => {
    await using tokens = await startTokenServer({ users: { me: "secret" }, anonymous: ["image"] });
    await using guarded = await startRegistry({ auth: tokens.auth });
    const at = endpoint(guarded.url);
    await using nobody = open([at]);
    assert.match(await failure(nobody.resolve("1", never)), /^not-found: /);
    assert.equal(tokens.requests.length, 1);
    await using me = open([at], { credentials: { kind: "password", user: "me", password: "secret" } });
    await Promise.all([1, 2, 3].map(() => failure(me.resolve("1", never))));
    assert.equal(tokens.requests.length, 2, "one token serves all");
    await using wrong = open([at], { credentials: { kind: "password", user: "me", password: "guess" } });
    assert.match(await failure(wrong.resolve("1", never)), /^unauthenticated: .*refuses the credentials/);
    tokens.settings.expiresIn = 1;
    await using short = open([at]);
    const before = tokens.requests.length;
    for (let count = 0; count < 2; count++) assert.match(await failure(short.resolve("1", never)), /^not-found: /);
    assert.equal(tokens.requests.length, before + 2);
  });

  it("finds a registry on this machine in plain http without any configuration", async () => {
    const none = { value: undefined, source: { file: "", line: 0 } };
    const endpointsOf = createEndpoints({
      configPath: { ...none, value: "" },
      mirrors: none,
      configs: none,
      headers: none,
      mirror: null,
    });
    const options = { endpointsOf, credentialsFor: async () => null, failOver, userAgent: "berth/test" };
    await using repository = openRepository(registry.address, "image", options);
    assert.equal((await repository.resolve("1", never)).digest, manifest);
    assert.equal(
      await failure(repository.resolve("2", never)),
      `not-found: image ${registry.address}/image:2 cannot be pulled: ${registry.url}/v2: it answers 404. Check its name and its tag`,
    );
  });
});
