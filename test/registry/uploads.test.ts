// The upload side of the registry client on a real registry, and on mirrors of it that do wrong.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import type { Credentials, Endpoint } from "@berth/images";
import { defaultFailOver } from "../../packages/images/src/registry/fail-over.ts";
import { openPushRepository, type PushRepository } from "../../packages/images/src/registry/push-repository.ts";
import { ask } from "../support/registry/ask.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { digestOf } from "../support/registry/image-parts.ts";
import { type FaultyMirror, type Rule, startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { startTokenServer } from "../support/registry/token-server.ts";

const own = takeOwnTmp();
after(own.remove);

const never = new AbortController().signal;
const CHUNK = 100_000;
let made = 0;

/** Bytes that no other test has. */
function blobOf(size: number): Buffer {
  return Buffer.alloc(size, `${made++} of the test's blobs\n`);
}

const sourceOf = (bytes: Buffer, digest = digestOf(bytes)) => ({
  digest,
  size: bytes.length,
  body: (offset: number, length: number) => () => Readable.from([bytes.subarray(offset, offset + length)]),
});

const endpoint = (url: string, more: Partial<Endpoint> = {}): Endpoint => ({
  url: `${url}/v2`,
  host: new URL(url).host,
  namespace: "",
  capabilities: new Set(["push"]),
  tls: { ca: [], client: [], skipVerify: false },
  headers: {},
  dialTimeoutMs: 30_000,
  credentials: null,
  source: { file: "the test", line: 0 },
  ...more,
});

const open = (endpoints: readonly Endpoint[], credentials: Credentials | null = null, path = "image") =>
  openPushRepository("registry.example", path, {
    endpointsOf: async () => endpoints,
    credentialsFor: async () => credentials,
    failOver: { ...defaultFailOver, backOffMs: 1 },
    userAgent: "berth/test",
    chunkBytes: CHUNK,
  });

async function put(repository: PushRepository, bytes: Buffer, mountFrom = "") {
  const offsets: number[] = [];
  const options = { mountFrom, onOffset: (offset: number) => offsets.push(offset), signal: never };
  const outcome = await repository.putBlob(sourceOf(bytes), options);
  return { outcome, offsets };
}

const failure = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => `${kindOf(error)}: ${messageOf(error)}`,
  );

/** METHOD of each request. */
const methodsOf = ({ requests }: FaultyMirror): string => requests.map(({ method }) => method).join(" ");

describe("uploads to a registry", { skip: hasRegistry() ? false : "needs docker-registry" }, () => {
  let registry: Registry;
  before(async () => {
    registry = await startRegistry();
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    own.assertNothingLeft();
  });
  const mirrorWith = (...rules: Rule[]): Promise<FaultyMirror> => startFaultyMirror(registry, rules);
  async function assertThere(bytes: Buffer, path = "image"): Promise<void> {
    const { status, body } = await ask(`${registry.url}/v2/${path}/blobs/${digestOf(bytes)}`);
    assert.equal(status, 200);
    assert.ok(body.equals(bytes));
  }

  it("sends a small blob in one piece, and no blob twice", async () => {
    await using mirror = await mirrorWith();
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(CHUNK);
    assert.deepEqual(await put(repository, bytes), { outcome: "sent", offsets: [0] });
    assert.equal(methodsOf(mirror), "HEAD POST PUT");
    assert.deepEqual(await put(repository, bytes), { outcome: "there", offsets: [] });
    assert.equal(methodsOf(mirror), "HEAD POST PUT HEAD");
    await assertThere(bytes);
  });

  it("sends an empty blob", async () => {
    await using repository = open([endpoint(registry.url)]);
    assert.equal((await put(repository, Buffer.alloc(0))).outcome, "sent");
    await assertThere(Buffer.alloc(0));
  });

  it("sends a large blob in chunks", async () => {
    await using mirror = await mirrorWith();
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(2 * CHUNK + 1);
    assert.deepEqual((await put(repository, bytes)).offsets, [0, CHUNK, 2 * CHUNK, bytes.length]);
    assert.equal(methodsOf(mirror), "HEAD POST PATCH PATCH PATCH PUT");
    const ranges = mirror.requests.flatMap(({ headers }) => headers["content-range"] ?? []);
    assert.deepEqual(ranges, ["0-99999", "100000-199999", "200000-200000"]);
    await assertThere(bytes);
  });

  it("makes its chunks as large as the registry wants them", async () => {
    const fault = faults.changeHeaders({ "oci-chunk-min-length": "150000" });
    await using mirror = await mirrorWith({ method: "POST", fault });
    await using repository = open([endpoint(mirror.url)]);
    assert.deepEqual((await put(repository, blobOf(3 * CHUNK))).offsets, [0, 150_000, 300_000]);
  });

  it("goes on where the registry has got to, when the answer to a chunk is cut", async () => {
    // The chunk never comes to the registry, which then says how far it is.
    await using mirror = await mirrorWith();
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(3 * CHUNK);
    let patches = 0;
    mirror.setRules([
      { method: "PATCH", fault: (call, pass) => (++patches === 2 ? faults.hangUp()(call, pass) : pass(call)) },
    ]);
    assert.deepEqual((await put(repository, bytes)).offsets, [0, CHUNK, CHUNK, 2 * CHUNK, bytes.length]);
    assert.equal(methodsOf(mirror), "HEAD POST PATCH PATCH HEAD GET PATCH PATCH PUT");
    await assertThere(bytes);
  });

  it("begins anew where the registry has lost the upload", async () => {
    await using mirror = await mirrorWith();
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(2 * CHUNK);
    // The registry has the chunk, but nobody has its state: Debian's then gives the upload up.
    const afterwards: faults.Fault = async (call, pass) => {
      await pass(call);
      throw new faults.Cut("cut after the answer");
    };
    mirror.setRules([{ method: "PATCH", times: 1, fault: afterwards }]);
    assert.deepEqual((await put(repository, bytes)).offsets, [0, 0, CHUNK, bytes.length]);
    assert.equal(methodsOf(mirror), "HEAD POST PATCH HEAD GET POST PATCH PATCH PUT");
    await assertThere(bytes);
  });

  it("finds what it has sent, when the last answer is cut", async () => {
    const afterwards: faults.Fault = async (call, pass) => {
      await pass(call);
      throw new faults.Cut("cut after the answer");
    };
    await using mirror = await mirrorWith({ method: "PUT", times: 1, fault: afterwards });
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(10);
    assert.equal((await put(repository, bytes)).outcome, "sent");
    assert.equal(methodsOf(mirror), "HEAD POST PUT HEAD");
    await assertThere(bytes);
  });

  it("sends it in one piece to a registry that takes no chunks", async () => {
    await using mirror = await mirrorWith({ method: "PATCH", fault: faults.respond(405) });
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(2 * CHUNK);
    assert.deepEqual((await put(repository, bytes)).offsets, [0, 0]);
    assert.equal(methodsOf(mirror), "HEAD POST PATCH POST PUT");
    await assertThere(bytes);
  });

  it("sends the rest of a chunk that was taken in part", async () => {
    const part: faults.Fault = async ({ body, headers, ...call }, pass) => {
      const bytes = (await buffer(body)).subarray(0, 50_000);
      return await pass({ ...call, headers: { ...headers, "content-length": "50000" }, body: Readable.from([bytes]) });
    };
    await using mirror = await mirrorWith({ method: "PATCH", times: 1, fault: part });
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(2 * CHUNK);
    assert.deepEqual((await put(repository, bytes)).offsets, [0, 50_000, 150_000, bytes.length]);
    await assertThere(bytes);
  });

  it("gives up where uploads are lost again and again", async () => {
    await using mirror = await mirrorWith(
      { method: "GET", fault: faults.respond(404) },
      { method: "PUT", fault: faults.respond(503) },
    );
    await using repository = open([endpoint(mirror.url)]);
    assert.match(
      await failure(put(repository, blobOf(10))),
      /^unavailable: blob sha256:[0-9a-f]{64} cannot be pushed to registry\.example\/image: .*it loses the upload again and again$/,
    );
  });

  it("mounts what another repository has, and sends no byte", async () => {
    await using other = open([endpoint(registry.url)], null, "other/one");
    const bytes = blobOf(10);
    await put(other, bytes);
    await using mirror = await mirrorWith();
    await using repository = open([endpoint(mirror.url)]);
    assert.deepEqual(await put(repository, bytes, "other/one"), { outcome: "mounted", offsets: [] });
    assert.equal(methodsOf(mirror), "HEAD POST");
    await assertThere(bytes);
  });

  it("sends what the other repository has not, with the upload that it was given", async () => {
    await using mirror = await mirrorWith();
    await using repository = open([endpoint(mirror.url)]);
    const bytes = blobOf(10);
    assert.deepEqual(await put(repository, bytes, "other/two"), { outcome: "sent", offsets: [0] });
    assert.equal(methodsOf(mirror), "HEAD POST PUT");
    await assertThere(bytes);
  });

  it("takes no mount where that is refused", async () => {
    const refuse: faults.Fault = (call, pass) =>
      call.query.includes("mount=") ? faults.respond(403)(call, pass) : pass(call);
    await using mirror = await mirrorWith({ method: "POST", fault: refuse });
    await using repository = open([endpoint(mirror.url)]);
    assert.equal((await put(repository, blobOf(10), "other/three")).outcome, "sent");
  });

  it("asks for the scopes of what it does, once each", async () => {
    await using tokens = await startTokenServer({ users: { me: "secret" }, anonymous: ["image"] });
    await using guarded = await startRegistry({ auth: tokens.auth });
    const me: Credentials = { kind: "password", user: "me", password: "secret" };
    await using first = open([endpoint(guarded.url)], me, "other");
    const bytes = blobOf(10);
    await put(first, bytes);
    await using repository = open([endpoint(guarded.url)], me);
    const before = tokens.requests.length;
    assert.equal((await put(repository, bytes, "other")).outcome, "mounted");
    assert.equal((await put(repository, blobOf(10))).outcome, "sent");
    const scopes = tokens.requests.slice(before).map((one) => new Set(one.scopes));
    assert.deepEqual(scopes, [
      new Set(["repository:image:pull,push"]),
      new Set(["repository:image:pull,push", "repository:other:pull"]),
    ]);
    await using nobody = open([endpoint(guarded.url)]);
    assert.match(await failure(put(nobody, blobOf(10))), /^unauthenticated: .*: log in with berth login 127/);
  });

  it("carries no credentials to where an upload is sent", async () => {
    await using storage = await mirrorWith();
    const elsewhere: faults.Fault = async (call, pass) => {
      const answer = await pass(call);
      const location = String(answer.headers.location).replace(/^http:\/\/[^/]+/, storage.url);
      return { ...answer, headers: { ...answer.headers, location } };
    };
    const challenge = { "www-authenticate": 'Basic realm="x"' };
    await using mirror = await mirrorWith(
      {
        fault: (call, pass) =>
          call.headers.authorization === undefined ? faults.respond(401, challenge)(call, pass) : pass(call),
      },
      { method: "POST", fault: elsewhere },
    );
    const me: Credentials = { kind: "password", user: "me", password: "secret" };
    await using repository = open([endpoint(mirror.url, { headers: { "x-secret": ["1"] } })], me);
    const bytes = blobOf(2 * CHUNK);
    assert.equal((await put(repository, bytes)).outcome, "sent");
    assert.equal(methodsOf(storage), "PATCH PATCH PUT");
    for (const { headers } of storage.requests)
      assert.deepEqual([headers.authorization, headers["x-secret"]], [undefined, undefined]);
    await assertThere(bytes);
    storage.setRules([{ fault: faults.respond(401) }]);
    assert.match(
      await failure(put(repository, blobOf(10))),
      new RegExp(
        `^unauthenticated: .*${storage.url}, to which it sends the upload and which gets no credentials: it answers 401`,
      ),
    );
  });

  it("begins an upload where it is redirected to, without credentials", async () => {
    await using storage = await mirrorWith();
    await using mirror = await mirrorWith({ method: "POST", fault: faults.redirectTo(storage.url) });
    await using repository = open([endpoint(mirror.url, { headers: { "x-secret": ["1"] } })]);
    const bytes = blobOf(10);
    assert.equal((await put(repository, bytes)).outcome, "sent");
    assert.deepEqual([methodsOf(mirror), methodsOf(storage)], ["HEAD POST", "POST PUT"]);
    for (const { headers } of storage.requests) assert.equal(headers["x-secret"], undefined);
    await assertThere(bytes);
  });

  for (const [status, words] of [
    [403, /^permission-denied: .*it answers 403\. Its owner has to allow it: berth login may help$/],
    [404, /^not-found: .*it answers 404\. Some registries want a repository to be made before its first push$/],
    [405, /^failed-precondition: .*it answers 405: it takes no pushes$/],
    [429, /^resource-exhausted: .*it answers 429$/],
    [500, /^unavailable: .*it answers 500$/],
  ] as const)
    it(`says what ${status} means`, async () => {
      await using mirror = await mirrorWith({ method: "POST", fault: faults.respond(status) });
      await using repository = open([endpoint(mirror.url)]);
      assert.match(await failure(put(repository, blobOf(10))), words);
      assert.equal(
        mirror.requests.filter(({ method }) => method === "POST").length,
        status === 429 || status === 500 ? 4 : 1,
      );
    });

  it("pushes all to the first endpoint that answers, of those that may be pushed to", async () => {
    await using pullOnly = await mirrorWith();
    await using down = await mirrorWith();
    await down.down();
    await using mirror = await mirrorWith();
    const all = [
      endpoint(pullOnly.url, { capabilities: new Set(["pull", "resolve"]) }),
      endpoint(down.url),
      endpoint(mirror.url, { namespace: "registry.example" }),
    ];
    await using repository = open(all);
    assert.equal(await repository.digestOf("nothing", never), "");
    assert.equal(repository.host, mirror.address);
    await down.up();
    await put(repository, blobOf(10));
    assert.deepEqual([pullOnly.requests.length, down.requests.length], [0, 0]);
    assert.equal(mirror.requests[0]?.query.get("ns"), "registry.example");
    await using none = open([all[0] ?? endpoint("")]);
    assert.equal(
      await failure(none.digestOf("1", never)),
      "failed-precondition: image registry.example/image:1 cannot be pushed: the configuration of registry registry.example has no endpoint with the capability push",
    );
  });
});
