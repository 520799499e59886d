// How far a pull or a push is, part by part.
import type { Descriptor } from "@berth/base";

/** `there` and `mounted` are of pushes: the registry had it, or another repository of it. */
export type PartState = "waiting" | "fetching" | "fetched" | "unpacking" | "pushing" | "there" | "mounted" | "done";

/** A document or layer of the image. */
export interface PartProgress {
  readonly digest: string;
  readonly mediaType: string;
  /** Digest of the document that names it, the first of them; "" for the target. */
  readonly parent: string;
  readonly kind: "index" | "manifest" | "config" | "layer";
  readonly state: PartState;
  /** Bytes that are here, or there in a push, and that it has. */
  readonly offset: number;
  readonly size: number;
  /** It was here before. */
  readonly wasHere: boolean;
}

export interface PullProgress {
  readonly stage: "resolving" | "fetching" | "unpacking" | "pushing" | "done";
  /** Host that has answered last; "" before any has. */
  readonly host: string;
  /** Bytes of blobs that have come from registries, or were sent there. */
  readonly received: number;
  readonly parts: readonly PartProgress[];
}

/** Kept by the pull or push, looked at by those who wait for it. */
export class Progress {
  #stage: PullProgress["stage"] = "resolving";
  #host = "";
  #received = 0;
  readonly #parts = new Map<string, PartProgress>();
  readonly #parents = new Map<string, string>();

  get snapshot(): PullProgress {
    return { stage: this.#stage, host: this.#host, received: this.#received, parts: [...this.#parts.values()] };
  }

  enter(stage: PullProgress["stage"]): void {
    this.#stage = stage;
  }

  /** The document names these. Said before they are added. */
  names(parent: string, children: Iterable<Descriptor>): void {
    for (const { digest } of children) if (!this.#parents.has(digest)) this.#parents.set(digest, parent);
  }

  add({ digest, mediaType, size }: Descriptor, kind: PartProgress["kind"]): void {
    const parent = this.#parents.get(digest) ?? "";
    if (!this.#parts.has(digest))
      this.#parts.set(digest, { digest, mediaType, parent, kind, state: "waiting", offset: 0, size, wasHere: false });
  }

  wasHere(digest: string): void {
    const { size = 0, state } = this.#parts.get(digest) ?? {};
    // What this pull has brought itself is looked for again, where another document names it.
    if (state === "fetched" || state === "done") return;
    this.#change(digest, { state: "fetched", offset: size, wasHere: true });
  }

  fetching(digest: string, offset: number): void {
    this.#change(digest, { state: "fetching", offset });
  }

  pushing(digest: string, offset: number): void {
    this.#change(digest, { state: "pushing", offset });
  }

  /** It need not be sent. */
  needless(digest: string, state: "there" | "mounted"): void {
    this.#change(digest, { state, offset: this.#parts.get(digest)?.size ?? 0 });
  }

  /** Bytes of it that have come from the host, or have gone there. */
  moved(digest: string, bytes: number, host: string): void {
    this.#host = host;
    this.#received += bytes;
    this.#change(digest, { offset: (this.#parts.get(digest)?.offset ?? 0) + bytes });
  }

  set(digest: string, state: PartState): void {
    this.#change(digest, { state });
  }

  #change(digest: string, change: Partial<PartProgress>): void {
    const part = this.#parts.get(digest);
    if (part !== undefined) this.#parts.set(digest, { ...part, ...change });
  }
}
