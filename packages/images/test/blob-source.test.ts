// A blob as the body of requests, out of a store that is a buffer.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { describe, it } from "node:test";
import { kindOf, messageOf, notFound } from "@berth/base";
import { DamagedBlob } from "@berth/store";
import { openBlobSource } from "../src/push/blob-source.ts";

const scope = { namespace: "test", lease: "" };
const bytes = Buffer.from(Array.from({ length: 1_000_003 }, (_, at) => (at * 31) % 251));
const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Of bytes that may change; `error` is what opening comes to. */
async function open(stored: Uint8Array, { verdict = null, error }: { verdict?: string | null; error?: Error } = {}) {
  const sent: number[] = [];
  const content = {
    async reader() {
      if (error !== undefined) throw error;
      const read = async (offset: number, length: number) => stored.slice(offset, offset + length);
      return { size: bytes.length, read, async close() {} };
    },
    verify: async () => verdict,
  };
  const descriptor = { mediaType: "", digest, size: bytes.length, annotations: {} };
  const source = await openBlobSource({ content }, scope, descriptor, "layer 1", (count) => sent.push(count));
  return { source, sent };
}
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => `${kindOf(error)}: ${messageOf(error)}`,
  );
const changed = Buffer.from(bytes.map((byte, at) => (at === 500_000 ? byte ^ 1 : byte)));

describe("a blob as a body", () => {
  it("is read in pieces, each of which is told", async () => {
    const { source, sent } = await open(bytes);
    assert.ok((await buffer(source.body(0, bytes.length)())).equals(bytes));
    assert.ok(sent.length > 1);
    assert.equal(
      sent.reduce((sum, count) => sum + count, 0),
      bytes.length,
    );
  });

  it("may be sent again, in part or as a whole, also where one was not read to its end", async () => {
    const { source } = await open(bytes);
    const unread = source.body(0, bytes.length)();
    for await (const _ of unread) break;
    for (const [from, length] of [
      [0, 300_000],
      [300_000, 700_003],
      [999_999, 4],
      [0, bytes.length],
      [0, bytes.length],
    ] as const)
      assert.ok((await buffer(source.body(from, length)())).equals(bytes.subarray(from, from + length)));
    assert.equal(source.failure, null);
  });

  it("never ends with bytes that are not its digest's", async () => {
    const { source, sent } = await open(changed, { verdict: "its digest is another one" });
    const words = "data-loss: layer 1 is damaged (its digest is another one): import or pull the image again";
    await buffer(source.body(0, 700_000)());
    assert.equal(await failure(buffer(source.body(700_000, 300_003)())), words);
    assert.equal(messageOf(source.failure), words.replace("data-loss: ", ""));
    assert.ok(sent.reduce((sum, count) => sum + count, 0) < bytes.length);
  });

  it("is damaged if it is shorter than it was, or has changed meanwhile", async () => {
    const { source } = await open(bytes.subarray(0, 1_000));
    assert.match(
      await failure(buffer(source.body(0, bytes.length)())),
      /^data-loss: layer 1 is damaged \(its bytes have changed while they were read\)/,
    );
  });

  it("says what is wrong before anything is read", async () => {
    const damaged = open(bytes, { error: new DamagedBlob(digest, "it has 3 bytes instead of 9") });
    assert.match(await failure(damaged), /^data-loss: layer 1 is damaged \(it has 3 bytes instead of 9\)/);
    const gone = open(bytes, { error: notFound("content digest", digest) });
    assert.match(await failure(gone), /^failed-precondition: layer 1 is not in the content store any more$/);
  });
});
