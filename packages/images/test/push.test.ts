// What a push chooses of an image, with the store's documents as values.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { parsePlatform } from "../src/platform.ts";
import { mountSource } from "../src/push/mount-source.ts";
import { planPush } from "../src/push/push-plan.ts";
import type { Entry, Tree } from "../src/push/push-tree.ts";

const types = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  blob: "text/plain",
};
const descriptorOf = (name: string, mediaType = "") => ({
  mediaType,
  digest: `sha256:${name}`,
  size: 1,
  annotations: {},
});

interface Given {
  readonly kind?: Tree["kind"];
  readonly entries?: readonly Entry[];
  /** Names of layers. */
  readonly layers?: readonly string[];
  readonly platform?: string;
  readonly refersTo?: string;
  readonly lacks?: string | null;
}

function entry(name: string, given: Given = {}): Entry {
  const { kind = "manifest", entries = [], layers = [], platform = "", refersTo = "", lacks = null } = given;
  const blobs = layers.map((layer) => ({ kind: "layer", descriptor: descriptorOf(layer) }) as const);
  const tree: Tree = { kind, descriptor: descriptorOf(name, types[kind]), entries, blobs, lacks, subject: "" };
  const of = refersTo === "" ? "" : `sha256:${refersTo}`;
  return { tree, platform: platform === "" ? null : parsePlatform(platform), refersTo: of, raw: { name } };
}
const index = (name: string, ...entries: Entry[]): Entry => entry(name, { kind: "index", entries });

const amd64 = entry("amd64", { platform: "linux/amd64", layers: ["base", "amd"] });
const arm64 = entry("arm64", { platform: "linux/arm64", layers: ["base", "arm"] });
const attestation = entry("attestation", { platform: "unknown/unknown", refersTo: "amd64", layers: ["told"] });

const namesOf = (all: readonly { descriptor: { digest: string } }[]): string[] =>
  all.map(({ descriptor }) => descriptor.digest.replace("sha256:", ""));

/** What is sent, in words: `base,amd | amd64 | top`. */
function plan(root: Entry, ...platforms: string[]): string {
  const { blobs, levels, top } = planPush(
    "an image",
    root,
    platforms.map((one) => parsePlatform(one)),
  );
  const end = top.bytes === null ? namesOf([top]).join() : Buffer.from(top.bytes).toString();
  return [namesOf(blobs), ...levels.map(namesOf), [end]].map((all) => all.join()).join(" | ");
}
const refusal = (root: Entry, ...platforms: string[]): string => {
  try {
    return plan(root, ...platforms);
  } catch (error) {
    return `${kindOf(error)}: ${messageOf(error)}`;
  }
};

describe("what a push sends", () => {
  it("is a manifest after its blobs", () => assert.equal(plan(amd64), "base,amd | amd64"));

  it("is each blob once, then manifests, then the index", () =>
    assert.equal(plan(index("all", amd64, arm64)), "base,amd,arm | amd64,arm64 | all"));

  it("is an index before what names it, and as deep as its deepest entry", () => {
    const nested = index("top", amd64, index("middle", index("inner", arm64), attestation), arm64);
    assert.equal(plan(nested), "base,amd,arm,told | amd64,arm64,attestation | inner | middle | top");
  });

  it("takes what is no manifest for a blob", () =>
    assert.equal(plan(index("all", amd64, entry("note", { kind: "blob" }))), "base,amd,note | amd64 | all"));

  it("is the one manifest of a platform", () => {
    assert.equal(plan(index("all", amd64, arm64), "linux/arm64"), "base,arm | arm64");
    assert.equal(plan(index("all", index("inner", amd64), arm64), "linux/amd64"), "base,amd | amd64");
    assert.equal(plan(amd64, "linux/amd64"), "base,amd | amd64");
  });

  it("is what refers to it, too, in an index with the entries as they are", () => {
    const top = `{"schemaVersion":2,"mediaType":"${types.index}","manifests":[{"name":"amd64"},{"name":"attestation"}]}`;
    assert.equal(
      plan(index("all", amd64, arm64, attestation), "linux/amd64"),
      `base,amd,told | amd64,attestation | ${top}`,
    );
    const gone = entry("attestation", { refersTo: "amd64", lacks: "manifest" });
    assert.equal(plan(index("all", amd64, arm64, gone), "linux/amd64"), "base,amd | amd64");
  });

  it("is the index as it is, if all of it is wanted", () =>
    assert.equal(
      plan(index("all", amd64, attestation, arm64), "linux/arm64", "linux/amd64"),
      "base,amd,told,arm | amd64,attestation,arm64 | all",
    ));

  it("is nothing for a platform that runs only something like it", () => {
    const old = entry("386", { platform: "linux/386" });
    assert.match(
      refusal(index("all", old, arm64), "linux/amd64"),
      /^not-found: manifest "sha256:all for platform linux\/amd64"/,
    );
    assert.match(refusal(amd64, "linux/arm64"), /^not-found: manifest "sha256:amd64 for platform linux\/arm64"/);
  });

  it("is nothing where something is missing, which is named, with what may be pushed", () => {
    const lost = entry("lost", { platform: "linux/s390x", lacks: "manifest sha256:lost" });
    assert.equal(
      refusal(index("all", amd64, arm64, lost, attestation)),
      "failed-precondition: image an image cannot be pushed: of its manifests these are not here as a whole: linux/s390x (sha256:lost): fetch them with berth pull --all-platforms, or push what is here with --platform linux/amd64 --platform linux/arm64",
    );
    const many = Array.from({ length: 7 }, (_, at) => entry(`lost${at}`, { lacks: "it" }));
    assert.equal(
      refusal(index("all", ...many)),
      "failed-precondition: image an image cannot be pushed: of its manifests these are not here as a whole: sha256:lost0, sha256:lost1, sha256:lost2, sha256:lost3, sha256:lost4 and 2 more: fetch them with berth pull --all-platforms",
    );
  });

  it("is planned at once for indexes that name each other again and again", () => {
    let deep = index("0", amd64);
    for (let depth = 1; depth < 4; depth++) deep = index(`${depth}`, ...Array.from({ length: 1_000 }, () => deep));
    assert.equal(plan(deep, "linux/amd64"), "base,amd | amd64 | 0 | 1 | 2 | 3");
  });
});

describe("where a blob is mounted from", () => {
  const label = (paths: string) => ({ "containerd.io/distribution.source.registry.example": paths });
  for (const [paths, to, from] of [
    ["", "team/app", ""],
    ["team/app", "team/app", ""],
    ["other/base", "team/app", "other/base"],
    ["other/base,team/app,team/base", "team/app", "team/base"],
    ["a,b", "c", "a"],
  ] as const)
    it(`of ${paths || "nothing"} for ${to} is ${from || "nowhere"}`, () =>
      assert.equal(mountSource(label(paths), { domain: "registry.example:5000", path: to }), from));

  it("is of no other registry", () =>
    assert.equal(mountSource(label("team/base"), { domain: "other.example", path: "team/app" }), ""));
});
