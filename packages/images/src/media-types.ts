import type { Descriptor } from "@berth/base";

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";

export const isIndex = (mediaType: string): boolean => mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
export const isManifest = (mediaType: string): boolean => mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;

/** For `Accept`: what a registry may answer where it is asked for a manifest. */
export const manifestTypes: readonly string[] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/** Whoever needs one gets it from the URLs in its descriptor: registries are not given it. */
const nonDistributable = [
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
const layerBases = [OCI_LAYER, DOCKER_LAYER, ...nonDistributable];

/** Layers that the differ takes: OCI's and docker's, with and without a limit on their distribution. */
const layers = new Set(layerBases.flatMap((base) => ["", "+gzip", "+zstd", ".gzip", ".zstd"].map((end) => base + end)));

export const isLayer = (mediaType: string): boolean => layers.has(mediaType);

export const isNonDistributable = (mediaType: string): boolean =>
  nonDistributable.some((base) => mediaType.startsWith(base));

/** A layer of a file system, be it one that is not supported: encrypted, or compressed in another way. */
const isAnyLayer = (mediaType: string): boolean => layerBases.some((base) => mediaType.startsWith(base));

/**
 * What else registries keep as manifests is none: charts have another config, signatures and attestations another kind
 * of layer.
 */
export const isImageManifest = (config: Descriptor, itsLayers: readonly Descriptor[]): boolean =>
  ["", OCI_CONFIG, DOCKER_CONFIG].includes(config.mediaType) &&
  (itsLayers.length === 0 || itsLayers.some(({ mediaType }) => isAnyLayer(mediaType)));
