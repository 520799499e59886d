// Archives of images made part by part, so that any part can be wrong.
import { createHash } from "node:crypto";
import { makeTar, type TarEntry } from "../busybox-image.ts";

export const OCI = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** Blobs by their hex digits, in the order in which they were made. */
export class Blobs {
  readonly members: TarEntry[] = [];

  add(mediaType: string, content: string | Uint8Array | object): Descriptor {
    const bytes = typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content);
    const hex = sha256(bytes);
    this.members.push({ path: `blobs/sha256/${hex}`, content: bytes });
    return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(bytes) };
  }

  /** An image of these layers, plain tars; parts of its config and manifest may be replaced. */
  image(layers: readonly Uint8Array[], parts: { config?: object; manifest?: object } = {}): Descriptor {
    const config = this.add(OCI.config, {
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
      ...parts.config,
    });
    const its = layers.map((layer) => this.add(OCI.layer, layer));
    return this.add(OCI.manifest, { schemaVersion: 2, config, layers: its, ...parts.manifest });
  }
}

/** A descriptor of an index that gives its image a name. */
export const named = (descriptor: Descriptor, name = "docker.io/library/odd:1"): object => ({
  ...descriptor,
  annotations: { "io.containerd.image.name": name },
});

/** An OCI layout; `more` comes after what must be there. */
export function layout(blobs: Blobs, manifests: unknown, more: readonly TarEntry[] = []): Uint8Array {
  return makeTar([
    { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    ...unique(blobs.members),
    { path: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests }) },
    ...more,
  ]);
}

const unique = (members: readonly TarEntry[]): TarEntry[] => [
  ...new Map(members.map((member) => [member.path, member])).values(),
];

/** A layer of one small file. */
export const smallLayer = (name = "file", content = "x"): Uint8Array => makeTar([{ path: name, content }]);

/** A header and the body behind it, whatever they are, without the end of an archive. */
export function rawMember(entry: TarEntry, change: (header: Buffer) => void = () => {}): Buffer {
  const tar = Buffer.from(makeTar([entry]).slice(0, -1024));
  change(tar);
  tar.fill(0x20, 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return tar;
}

export const END: Uint8Array = new Uint8Array(1024);

export const ZEROS: string = `sha256:${"0".repeat(64)}`;

/** What registries keep as manifests beside images. */
export function chart(blobs: Blobs): Descriptor {
  const config = blobs.add("application/vnd.cncf.helm.config.v1+json", { name: "chart" });
  const layers = [blobs.add("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "a chart")];
  return blobs.add(OCI.manifest, { schemaVersion: 2, config, layers });
}

export function signature(blobs: Blobs): Descriptor {
  const config = blobs.add(OCI.config, { architecture: "", os: "", rootfs: { type: "layers", diff_ids: [ZEROS] } });
  const layers = [blobs.add("application/vnd.dev.cosign.simplesigning.v1+json", { critical: {} })];
  return blobs.add(OCI.manifest, { schemaVersion: 2, config, layers });
}
