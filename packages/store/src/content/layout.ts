import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { hexOf, parseDigest } from "@berth/base";

/** Where content lies: containerd's layout, `blobs/sha256/<hex>` and `ingest/<sha256 of namespace/ref>/`. */
export interface ContentLayout {
  readonly blobs: string;
  readonly ingests: string;
  readonly trash: string;
  blob(digest: string): string;
  ingest(namespace: string, ref: string): string;
}

export function openContentLayout(root: string): ContentLayout {
  const top = join(root, "io.containerd.content.v1.content");
  const blobs = join(top, "blobs", "sha256");
  const ingests = join(top, "ingest");
  mkdirSync(blobs, { recursive: true, mode: 0o700 });
  mkdirSync(ingests, { recursive: true, mode: 0o700 });
  return {
    blobs,
    ingests,
    trash: join(top, "removed"),
    blob: (digest) => join(blobs, hexOf(parseDigest(digest))),
    ingest: (namespace, ref) => join(ingests, createHash("sha256").update(`${namespace}/${ref}`).digest("hex")),
  };
}
