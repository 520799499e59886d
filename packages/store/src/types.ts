// What the store keeps, and the contracts of its parts. Records are the store's own types: the wire is
// frozen, the disk must be free to change.
import type { Descriptor, Instant, Labels, Mount } from "@berth/base";
import type { Change } from "./changes.ts";
import type { QuarantineArea } from "./quarantine.ts";

/** Who asks: an rpc Call is one. An empty namespace is refused with failed-precondition "namespace is required". */
export interface Scope {
  readonly namespace: string;
  /** Lease that what is made is attached to; empty for none; an unknown one is not-found. */
  readonly lease: string;
}

/** google.protobuf.Any, kept verbatim. */
export interface AnyValue {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface NamespaceRecord {
  readonly name: string;
  readonly labels: Labels;
}

export interface ContainerRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly image: string;
  readonly runtime: { readonly name: string; readonly options: AnyValue | null };
  readonly spec: AnyValue | null;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly extensions: Readonly<Record<string, AnyValue>>;
  readonly sandbox: string;
}

export interface ImageRecord {
  readonly name: string;
  readonly labels: Labels;
  readonly target: Descriptor;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

export interface ContentInfo {
  readonly digest: string;
  readonly size: number;
  readonly labels: Labels;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

export interface IngestStatus {
  readonly ref: string;
  readonly offset: number;
  readonly total: number;
  readonly expected: string;
  readonly startedAt: Instant;
  readonly updatedAt: Instant;
}

export type SnapshotKind = "view" | "active" | "committed";

export interface SnapshotInfo {
  readonly name: string;
  readonly parent: string;
  readonly kind: SnapshotKind;
  readonly labels: Labels;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

export interface LeaseRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Instant;
}

/** type: `content`, `ingests`, `snapshots/<snapshotter>` or `images`. */
export interface LeaseResource {
  readonly id: string;
  readonly type: string;
}

/** Field paths of an update; empty replaces every mutable field. Unknown paths are invalid-argument. */
export type FieldPaths = readonly string[];
/** Filters in containerd's grammar, any of which must match; none matches everything. */
export type Filters = readonly string[];

export interface NamespaceStore {
  get(name: string): NamespaceRecord;
  list(): NamespaceRecord[];
  create(record: NamespaceRecord): NamespaceRecord;
  update(record: NamespaceRecord, paths: FieldPaths): NamespaceRecord;
  /** failed-precondition while the namespace holds images, blobs, containers or snapshots. */
  delete(name: string): void;
}

export interface ContainerStore {
  /** null where there is none; `get` throws not-found. */
  find(scope: Scope, id: string): ContainerRecord | null;
  get(scope: Scope, id: string): ContainerRecord;
  list(scope: Scope, filters: Filters): ContainerRecord[];
  create(scope: Scope, record: Omit<ContainerRecord, "createdAt" | "updatedAt">): ContainerRecord;
  update(scope: Scope, record: Omit<ContainerRecord, "createdAt" | "updatedAt">, paths: FieldPaths): ContainerRecord;
  delete(scope: Scope, id: string): void;
}

/** How a container's last task ended. */
export interface ExitRecord {
  readonly pid: number;
  /** 0 to 255. */
  readonly status: number;
  /** 0 where nobody saw the end. */
  readonly at: Instant;
  /** The kernel has killed it for lack of memory. */
  readonly outOfMemory: boolean;
}

/** The exits of containers that have no task any more. They go with their containers. */
export interface ExitStore {
  get(scope: Scope, container: string): ExitRecord | null;
  /** Nothing where there is no such container. */
  keep(scope: Scope, container: string, exit: ExitRecord): void;
  forget(scope: Scope, container: string): void;
}

export interface ImageStore {
  /** null where there is none; `get` throws not-found. */
  find(scope: Scope, name: string): ImageRecord | null;
  get(scope: Scope, name: string): ImageRecord;
  list(scope: Scope, filters: Filters): ImageRecord[];
  create(scope: Scope, record: Omit<ImageRecord, "createdAt" | "updatedAt">): ImageRecord;
  update(scope: Scope, record: Omit<ImageRecord, "createdAt" | "updatedAt">, paths: FieldPaths): ImageRecord;
  /** With `target`, not-found where the image points elsewhere by now. */
  delete(scope: Scope, name: string, options?: { target?: string }): void;
}

export interface NewIngest {
  readonly ref: string;
  /** Bytes; 0 where nobody knows. */
  readonly total: number;
  /** Digest; empty where nobody knows. */
  readonly expected: string;
  /** Its lease may go: it is kept for a day, so that it can be gone on with. */
  readonly outlastsLease?: boolean;
}

/**
 * An ingest under way. Its ref is locked until `close`; what was written survives and can be resumed.
 * `commit` makes it a blob, once its size and digest are what was expected; the bytes are on disk before
 * the blob has its name.
 */
export interface ContentWriter extends AsyncDisposable {
  status(): IngestStatus;
  /** Appends; a chunk may be reused once the promise has resolved. */
  write(chunk: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** sha256 of what was written so far. */
  digest(): string;
  /**
   * `size` 0 and `expected` "" are not checked. Mismatches are failed-precondition, a present blob already-exists; one that
   * is damaged is replaced, for all that have it.
   */
  commit(options: { size: number; expected: string; labels: Labels }): Promise<ContentInfo>;
  close(): Promise<void>;
}

/**
 * Blobs that come together: they are synchronized and become known by the dozen. One whose `commit` has resolved is durable,
 * and has the lease of the scope; what was added after the last one is gone when the batch is disposed.
 */
export interface ContentBatch extends AsyncDisposable {
  /**
   * Takes a blob. With `expected` its digest must be that, and the body of one that is there and whole need not be read; a
   * damaged one is replaced, for all that have it. `name` says in errors what the bytes were called.
   */
  add(blob: {
    expected: string;
    name: string;
    body: AsyncIterable<Uint8Array>;
  }): Promise<{ digest: string; size: number }>;
  /** Makes blobs of all that was added. */
  commit(): Promise<void>;
}

export interface ContentReader {
  readonly size: number;
  /** At most `length` bytes at `offset`; fewer at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface VerifyOptions {
  /** Ends the reading: its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Told of the bytes that were read since the last call. */
  readonly onBytes?: (count: number) => void;
}

/**
 * A blob whose file is not what it was is marked as damaged. It keeps its records and their labels, for the collector
 * too, but nobody is told of it or given it (DamagedBlob, which is not-found) until its bytes are written again.
 */
export interface ContentStore {
  info(scope: Scope, digest: string): ContentInfo;
  list(scope: Scope, filters: Filters): ContentInfo[];
  update(scope: Scope, info: { digest: string; labels: Labels }, paths: FieldPaths): ContentInfo;
  delete(scope: Scope, digest: string): void;
  reader(scope: Scope, digest: string): Promise<ContentReader>;
  /** Where the blob is; for a program that reads it itself. Not to be written. */
  path(scope: Scope, digest: string): Promise<string>;
  /**
   * Reads the whole blob: what is wrong with it, null if nothing is or no namespace has it. Marks one that is damaged, and
   * takes the mark off one that is whole.
   */
  verify(digest: string, options?: VerifyOptions): Promise<string | null>;
  /**
   * Writes a blob again that is damaged or missing, from a copy on this disk: what a start has put aside, an ingest, another
   * namespace's. False if there is none.
   */
  repair(scope: Scope, wanted: { digest: string; size: number; signal: AbortSignal }): Promise<boolean>;
  /** already-exists where `expected` is present in the namespace; unavailable while another writer has the ref. */
  writer(scope: Scope, options: NewIngest): Promise<ContentWriter>;
  /** For many blobs: see `ContentBatch`. It is one ingest, and `ref` is its name. */
  batch(scope: Scope, ref: string): Promise<ContentBatch>;
  status(scope: Scope, ref: string): IngestStatus;
  listStatuses(scope: Scope, filters: Filters): IngestStatus[];
  abort(scope: Scope, ref: string): Promise<void>;
}

/** A snapshot that has its directories and waits for its record. */
export interface StagedSnapshot extends AsyncDisposable {
  /** Makes the record. */
  commit(): Mount[];
}

/**
 * A filesystem in layers. `prepare` makes an active snapshot to be written through its mounts, `commit`
 * turns it into a named parent for others, `view` makes a read-only one. The store makes directories; whoever
 * owns the mount namespace makes the mounts.
 */
export interface Snapshotter {
  readonly name: string;
  /** Layers of an image that a container can lie upon. */
  readonly mostLayers: number;
  /**
   * The first half of `prepare` or `view`: makes the directories, but no record. Its `commit` is synchronous, so
   * that it can be part of a `Store.transaction`; disposed without it, the directories go away.
   */
  stage(
    scope: Scope,
    options: { kind: "active" | "view"; key: string; parent: string; labels: Labels },
  ): Promise<StagedSnapshot>;
  prepare(scope: Scope, key: string, parent: string, labels: Labels): Promise<Mount[]>;
  view(scope: Scope, key: string, parent: string, labels: Labels): Promise<Mount[]>;
  mounts(scope: Scope, key: string): Promise<Mount[]>;
  commit(scope: Scope, name: string, key: string, labels: Labels): Promise<void>;
  remove(scope: Scope, key: string): Promise<void>;
  /** `remove`, synchronous: for a `Store.transaction`. */
  drop(scope: Scope, key: string): void;
  /** Deletes what an active snapshot holds, and leaves the snapshot: for what is to be removed. */
  clear(scope: Scope, key: string): Promise<void>;
  /** null where there is none; `stat` throws not-found. */
  find(scope: Scope, key: string): SnapshotInfo | null;
  stat(scope: Scope, key: string): SnapshotInfo;
  update(scope: Scope, info: { name: string; labels: Labels }, paths: FieldPaths): SnapshotInfo;
  list(scope: Scope, filters: Filters): SnapshotInfo[];
  usage(scope: Scope, key: string): Promise<{ size: number; inodes: number }>;
  /** Directories whose stack is the snapshot, topmost first: for reading a file without mounting. */
  directories(scope: Scope, key: string): string[];
}

export interface LeaseStore {
  create(namespace: string, record: { id: string; labels: Labels }): LeaseRecord;
  delete(namespace: string, id: string): void;
  list(namespace: string, filters: Filters): LeaseRecord[];
  addResource(namespace: string, lease: string, resource: LeaseResource): void;
  deleteResource(namespace: string, lease: string, resource: LeaseResource): void;
  listResources(namespace: string, lease: string): LeaseResource[];
}

/**
 * What is to become of a container: `run`, its making is undone unless it was started; `start`, its task is; `remove`, it
 * is removed.
 */
export type Step = "run" | "start" | "remove";

/** Steps that take more than one transaction. Written before the first, and gone with the last. */
export interface UnfinishedStore {
  set(scope: Scope, id: string, step: Step): void;
  get(scope: Scope, id: string): Step | null;
  clear(scope: Scope, id: string): void;
  /** Of all namespaces. */
  list(): { namespace: string; id: string; step: Step }[];
}

/** What a collection removed. */
export interface Removed {
  readonly namespace: string;
  readonly kind: "image" | "content" | "snapshot" | "lease" | "ingest";
  readonly id: string;
  /** For snapshots. */
  readonly snapshotter: string;
}

export interface Collector {
  /** Runs a collection now, or joins the one that is waiting; resolves when it is done. */
  collect(): Promise<readonly Removed[]>;
}

export interface Store extends AsyncDisposable {
  readonly namespaces: NamespaceStore;
  readonly containers: ContainerStore;
  readonly exits: ExitStore;
  readonly images: ImageStore;
  readonly content: ContentStore;
  readonly leases: LeaseStore;
  readonly unfinished: UnfinishedStore;
  readonly collector: Collector;
  /** Those that can be used. */
  readonly snapshotters: readonly string[];
  /**
   * invalid-argument `snapshotter not loaded: NAME` for one that is not there. Of overlayfs where it does not work, what
   * it has can be looked at and removed; `stage`, `prepare`, `view` and `mounts` are refused with the reason.
   */
  snapshotter(name: string): Snapshotter;
  /**
   * Moves what nobody can explain into the quarantine, where it is kept for a time: a bundle within the state directory,
   * anything else within the root. Gives its new path; null where it cannot be moved, which is logged.
   */
  putAside(path: string, area: QuarantineArea, name: string): string | null;
  /**
   * Makes everything that `change` does one commit (one fsync), or nothing of it where it throws. `change` is
   * synchronous and may nest. Calls that return promises must not be made inside, but see `Snapshotter.stage`.
   * One that only removes says that it frees: then it has the room that is kept back on a full disk, and may run twice.
   * One that is durable later costs no fsync of its own: a power cut may take it back, a kill does not.
   */
  transaction<T>(change: () => T, effect?: "adds" | "frees", durable?: "now" | "later"): T;
  /**
   * Tells each change to what clients make, once it is durable and before the call that has made it returns. Of what a
   * collection removes: images and snapshots. The listener must not throw.
   */
  onChange(listener: (change: Change) => void): Disposable;
  close(): Promise<void>;
}
