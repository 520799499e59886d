// From a reference or an archive to a snapshot chain.
import type { Credentials, Descriptor, Mount } from "@berth/base";
import type { ImageRecord, Scope } from "@berth/store";
import type { ExportOptions, ImageArchive } from "./export-archive.ts";
import type { HistoryStep } from "./history.ts";
import type { ImageHoldings } from "./image-size.ts";
import type { ImportOptions } from "./import-archive.ts";
import type { Naming } from "./naming.ts";
import type { Platform } from "./platform.ts";
import type { Pull } from "./pull/pulls.ts";
import type { Push, PushRequest } from "./push/begin-push.ts";
import type { CredentialsFor } from "./registry/authorizer.ts";
import type { Check, ReferenceReport } from "./registry/explain.ts";
import type { RegistryWishes } from "./registry/hosts/settings.ts";
import type { ImagePart } from "./walk-target.ts";

/** The parts of an OCI image configuration that a container is made from. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant: string;
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly WorkingDir: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly StopSignal: string;
    readonly Volumes: readonly string[];
  };
  readonly diffIds: readonly string[];
}

export interface ResolvedImage {
  readonly image: ImageRecord;
  /** The manifest for this machine's platform. */
  readonly manifest: Descriptor;
  readonly configDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  /** Name of the committed snapshot that is the image's filesystem. */
  readonly chainId: string;
}

export interface ImagePull {
  /** As a user writes it. */
  readonly reference: string;
  /** Empty for this machine's. */
  readonly platforms: readonly Platform[] | "all";
  /** What is unpacked, and into which snapshotters; null for the first of the platforms. */
  readonly unpacks: readonly { readonly snapshotter: string; readonly platform: Platform | null }[];
  /** The manifests and configs of all other platforms are fetched too. */
  readonly allMetadata: boolean;
  /** At most so many manifests are fetched as a whole; 0 is no limit. */
  readonly manifestLimit: number;
  /** How it is kept; null: by its reference in full. */
  readonly naming: Naming | null;
  readonly registry: RegistryWishes;
  readonly credentialsFor: CredentialsFor;
  readonly signal: AbortSignal;
}

/** Where an image goes, beside what a push itself needs. */
export interface ImagePush extends PushRequest {
  readonly registry: RegistryWishes;
}

/** Something of an image that is not as it should be. */
export interface ImageProblem {
  /** `index`, `manifest`, `config`, `layer`, `blob`, or `snapshot (SNAPSHOTTER)`. */
  readonly what: string;
  /** A digest, or the chain id of a snapshot. */
  readonly id: string;
  readonly state: "damaged" | "missing";
  readonly why: string;
}

export interface ImageCheck {
  readonly name: string;
  /** Of the target. */
  readonly digest: string;
  /** What the worst of the problems is. */
  readonly state: "complete" | "damaged" | "missing";
  /** At most a thousand. */
  readonly problems: readonly ImageProblem[];
  /** What was wrong and is not any more; at most a thousand. */
  readonly repaired: readonly ImageProblem[];
}

export interface CheckOptions {
  /** Mend what can be mended from what is on this disk. */
  readonly repair: boolean;
  readonly signal: AbortSignal;
  /** Digests that were found whole: images share them. */
  readonly verified: Set<string>;
  /** Bytes that were read, and that will be at least. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface Images {
  /** not-found for an unknown name; failed-precondition where content is missing. Every document read has a size cap. */
  resolve(scope: Scope, name: string): Promise<ResolvedImage>;
  /** Makes the snapshot chain of the image; what is there already is used. Returns the chain id. */
  unpack(scope: Scope, image: ResolvedImage, snapshotter: string, signal?: AbortSignal): Promise<string>;
  /**
   * Fetches an image from its registry and unpacks it. Two that ask for the same at once get the same. The promise rejects with
   * not-found, unauthenticated, permission-denied, unavailable, resource-exhausted, data-loss or invalid-argument, in
   * a sentence that names who was asked; throws invalid-argument for what is no reference.
   */
  pull(scope: Scope, request: ImagePull): Pull;
  /**
   * Sends an image to a registry; what is there is not sent again. The promise rejects with the kinds of a pull's, and with
   * failed-precondition where something of the image is not here.
   */
  push(scope: Scope, request: ImagePush): Push;
  /** The endpoints that a reference is asked from, and what they say where they are asked. */
  explain(reference: string, check: Check): Promise<ReferenceReport>;
  /** What is to be kept for a registry (`docker.io`, `localhost:5000`). unauthenticated where it refuses them. */
  checkCredentials(registry: string, credentials: Credentials, signal: AbortSignal): Promise<Credentials>;
  /**
   * Takes an archive (OCI layout or docker save; plain, gzip or zstd), stores its blobs and names its images.
   * All under a lease, so that a failure leaves nothing.
   */
  importArchive(scope: Scope, archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImageRecord[]>;
  /** Makes the records; one that is there gets this target and these labels. not-found for no name at all. */
  nameAs(scope: Scope, target: Descriptor, naming: Naming): ImageRecord[];
  /**
   * Reads every blob that the image needs and looks at its snapshots. A blob that is damaged is given to nobody from then
   * on. null if there is no such image, or it is removed meanwhile.
   */
  check(scope: Scope, name: string, options: CheckOptions): Promise<ImageCheck | null>;
  /** The steps that have made the image, the newest first; for this machine's platform if there is no other. */
  history(scope: Scope, target: Descriptor, platform: Platform | null): Promise<HistoryStep[]>;
  /** What the image is made of, each part before what it refers to. */
  parts(scope: Scope, target: Descriptor): AsyncIterable<ImagePart>;
  /** What it has on the disk. */
  holdings(scope: Scope, target: Descriptor): Promise<ImageHoldings>;
  /**
   * The images in a tar, with the manifests for these platforms; none: the one for this machine. not-found for an unknown
   * name and for a platform that an image is not for, failed-precondition where content is missing, data-loss where it is damaged.
   */
  exportArchive(
    scope: Scope,
    names: readonly string[],
    platforms: readonly Platform[] | "all",
    options?: ExportOptions,
  ): Promise<ImageArchive>;
}

/** Layers onto mounts and back, in a confined child process. */
export interface Differ {
  /**
   * Applies a layer (tar, tar+gzip, tar+zstd; OCI or docker media type) onto the mounts and returns the
   * descriptor of the uncompressed tar. unimplemented for another media type.
   */
  apply(scope: Scope, layer: Descriptor, mounts: readonly Mount[], signal: AbortSignal): Promise<Descriptor>;
  /** The changes from `lower` to `upper` as a layer in the content store. */
  diff(
    scope: Scope,
    lower: readonly Mount[],
    upper: readonly Mount[],
    options: { mediaType: string; ref: string; labels: Readonly<Record<string, string>>; signal: AbortSignal },
  ): Promise<Descriptor>;
}
