// An OCI image layout on disk (image specification, image-layout.md), of parts that image-parts.ts makes.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Descriptor, Part } from "./image-parts.ts";

export interface Layout {
  readonly dir: string;
  /** The image or index that it is of. */
  readonly top: Descriptor;
}

/** Makes the directory; the name is for tools that look for one in it. */
export function makeLayout(dir: string, { descriptor, blobs }: Part, name = "latest"): Layout {
  mkdirSync(join(dir, "blobs/sha256"), { recursive: true });
  for (const [digest, bytes] of blobs) writeFileSync(blobPath(dir, digest), bytes);
  const annotations = { ...descriptor.annotations, "org.opencontainers.image.ref.name": name };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] };
  writeFileSync(join(dir, "index.json"), JSON.stringify(index));
  writeFileSync(join(dir, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return { dir: resolve(dir), top: descriptor };
}

export const blobPath = (dir: string, digest: string): string => join(dir, "blobs", digest.replace(":", "/"));

/** What a manifest or an index names; the other kind of them is empty. */
export function namedBy(
  dir: string,
  { digest }: Pick<Descriptor, "digest">,
): Record<"manifests" | "blobs", readonly Descriptor[]> {
  const { manifests = [], config, layers = [] } = JSON.parse(readFileSync(blobPath(dir, digest), "utf8"));
  return { manifests, blobs: config === undefined ? [] : [config, ...layers] };
}
