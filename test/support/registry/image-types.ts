// Media types of what the tests' images are made of, for both families of names.

export interface ImageTypes {
  readonly index: string;
  readonly manifest: string;
  readonly config: string;
  readonly layer: { readonly none: string; readonly gzip: string; readonly zstd: string };
}

export type Family = "oci" | "docker";

const oci = "application/vnd.oci.image";
const docker = "application/vnd.docker";

/** Docker never named one for zstd; this is what BuildKit and containerd take it to be. */
export const imageTypes: Readonly<Record<Family, ImageTypes>> = {
  oci: {
    index: `${oci}.index.v1+json`,
    manifest: `${oci}.manifest.v1+json`,
    config: `${oci}.config.v1+json`,
    layer: {
      none: `${oci}.layer.v1.tar`,
      gzip: `${oci}.layer.v1.tar+gzip`,
      zstd: `${oci}.layer.v1.tar+zstd`,
    },
  },
  docker: {
    index: `${docker}.distribution.manifest.list.v2+json`,
    manifest: `${docker}.distribution.manifest.v2+json`,
    config: `${docker}.container.image.v1+json`,
    layer: {
      none: `${docker}.image.rootfs.diff.tar`,
      gzip: `${docker}.image.rootfs.diff.tar.gzip`,
      zstd: `${docker}.image.rootfs.diff.tar.zstd`,
    },
  },
};

export const artifactTypes = {
  artifact: "application/vnd.berth.test.artifact",
  config: "application/vnd.oci.empty.v1+json",
  content: "text/plain",
};
