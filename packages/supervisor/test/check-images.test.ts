import assert from "node:assert/strict";
import { it } from "node:test";
import { kindOf } from "@berth/base";
import type { CheckOptions, ImageCheck, Images } from "@berth/images";
import { CheckImagesResponse, Engine } from "@berth/proto/berth/v1";
import { namespace, scope, sha256, startHarness } from "./harness.ts";

const digest = sha256("m");
const complete = (name: string): ImageCheck => ({ name, digest, state: "complete", problems: [], repaired: [] });

/** A berthd with these images, which are checked in this way. */
async function withImages(names: readonly string[], check: Images["check"]) {
  const harness = await startHarness();
  Object.assign(harness.engine.images, { check });
  const target = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 2, annotations: {} };
  for (const name of names) harness.store.images.create(scope, { name, labels: {}, target });
  return harness;
}

it("says how far it is while an image is read, and leaves out what is removed meanwhile", async () => {
  await using harness = await withImages(["a", "b"], async (_scope, name, { onProgress }) => {
    if (name === "b") return null;
    onProgress(3, 7);
    await saidSo.promise;
    return complete(name);
  });
  const saidSo = Promise.withResolvers<void>();
  const answers: unknown[] = [];
  for await (const { progress, result } of harness.client(Engine).checkImages({}, { namespace })) {
    answers.push(result ?? progress);
    saidSo.resolve();
  }
  assert.deepEqual(answers.slice(0, 1), [{ name: "a", doneBytes: 3, totalBytes: 7 }]);
  assert.deepEqual(answers.at(-1), { ...complete("a") });
});

it("a caller that goes away ends the reading, and so does the end of berthd", async () => {
  for (const how of ["caller", "stop"] as const) {
    const begun = Promise.withResolvers<CheckOptions>();
    await using harness = await withImages(["a"], async (_scope, _name, options) => {
      begun.resolve(options);
      await new Promise((_resolve, reject) =>
        options.signal.addEventListener("abort", () => reject(options.signal.reason), { once: true }),
      );
      return null;
    });
    const controller = new AbortController();
    const reading = (async () => {
      const answers = harness.client(Engine).checkImages({}, { namespace, signal: controller.signal });
      for await (const _answer of answers);
    })();
    reading.catch(() => {});
    const { signal } = await begun.promise;
    if (how === "caller") controller.abort();
    else harness.stop();
    const error = await reading.then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.ok(signal.aborted);
    if (how === "stop") assert.equal(kindOf(error), "unavailable");
  }
});

it("looks names up before it reads anything", async () => {
  const checked: string[] = [];
  await using harness = await withImages(["docker.io/library/a:latest"], async (_scope, name) => {
    checked.push(name);
    return complete(name);
  });
  const check = async (names: string[]) => {
    for await (const _answer of harness.client(Engine).checkImages({ names }, { namespace }));
  };
  await assert.rejects(check(["a", "b"]), /image "docker\.io\/library\/b:latest": not found/);
  assert.deepEqual(checked, []);
  await check(["a", "docker.io/library/a", "docker.io/library/a:latest"]);
  assert.deepEqual(checked, ["docker.io/library/a:latest"], "once");
});

it("the longest answer fits a message", async () => {
  const problem = { what: "snapshot (overlayfs)", id: digest, state: "damaged", why: "x".repeat(400) } as const;
  const problems = Array.from({ length: 1_000 }, () => problem);
  await using harness = await withImages(["a"], async (_scope, name) => ({
    ...complete(name),
    state: "damaged",
    problems,
    repaired: problems,
  }));
  for await (const answer of harness.client(Engine).checkImages({}, { namespace }))
    assert.ok(CheckImagesResponse.encode(answer).length < 4 << 20);
});
