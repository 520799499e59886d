import assert from "node:assert/strict";
import { it } from "node:test";
import { Engine, ListContainersResponse, ListImagesResponse } from "@berth/proto/berth/v1";
import { type Container, Containers } from "@berth/proto/containerd/services/containers/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { ListSnapshotsResponse, Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { namespace, sha256, startHarness } from "./harness.ts";

/** What ttrpc carries at most. */
const LONGEST = 4 << 20;
const options = { namespace };
const labels = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, "v".repeat(4000)]));

it("lists longer than a message come in several, each of which ttrpc carries", async () => {
  await using h = await startHarness();
  const spec = { typeUrl: "x", value: new TextEncoder().encode('{"process":{"args":["a"]}}') };
  const target = { mediaType: "m", digest: sha256("x"), size: 1 };
  const ids = Array.from({ length: 12 }, (_, at) => `c${String(at).padStart(2, "0")}`);
  for (const id of ids) {
    const container = { id, labels: labels(100), runtime: { name: "io.containerd.runc.v2" }, spec };
    await h.client(Containers).create({ container }, options);
    await h.client(Images).create({ image: { name: id, labels: labels(100), target } }, options);
    await h.client(Snapshots).prepare({ snapshotter: "native", key: id, labels: labels(100) }, options);
  }
  const parts = { containers: [] as string[][], images: [] as string[][], snapshots: [] as string[][] };
  for await (const part of h.client(Engine).listContainers({}, options)) {
    assert.ok(ListContainersResponse.encode(part).length < LONGEST);
    parts.containers.push(part.containers.map(({ id }) => id));
  }
  for await (const part of h.client(Engine).listImages({}, options)) {
    assert.ok(ListImagesResponse.encode(part).length < LONGEST);
    parts.images.push(part.images.map(({ name }) => name));
  }
  for await (const part of h.client(Snapshots).list({ snapshotter: "native" }, options)) {
    assert.ok(ListSnapshotsResponse.encode(part).length < LONGEST);
    parts.snapshots.push(part.info.map(({ name }) => name));
  }
  for (const [what, lists] of Object.entries(parts)) {
    assert.ok(lists.length > 1, what);
    assert.deepEqual(lists.flat(), ids, what);
  }
});

it("a container that is longer than a message is listed without what makes it so", async () => {
  await using h = await startHarness();
  const spec = { typeUrl: "x", value: new TextEncoder().encode('{"process":{"args":["a"]}}') };
  const container = (id: string, count: number): Partial<Container> => ({
    id,
    labels: labels(count),
    runtime: { name: "io.containerd.runc.v2", options: null },
    spec,
  });
  for (const [id, count] of [
    ["huge", 1200],
    ["small", 1],
  ] as const)
    await h.client(Containers).create({ container: container(id, count) }, options);
  const seen: [string, number, boolean][] = [];
  for await (const part of h.client(Engine).listContainers({}, options)) {
    assert.ok(ListContainersResponse.encode(part).length < LONGEST);
    for (const one of part.containers) seen.push([one.id, Object.keys(one.labels).length, one.shortened]);
  }
  assert.deepEqual(seen, [
    ["huge", 0, true],
    ["small", 1, false],
  ]);
});
