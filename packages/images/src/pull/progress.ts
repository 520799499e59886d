// How far a pull is, part by part.
import type { Descriptor } from "@berth/base";

export type PartState = "waiting" | "fetching" | "fetched" | "unpacking" | "done";

/** A document or layer of the image. */
export interface PartProgress {
  readonly digest: string;
  readonly kind: "index" | "manifest" | "config" | "layer";
  readonly state: PartState;
  /** Bytes that are here, and that it has. */
  readonly offset: number;
  readonly size: number;
  /** It was here before. */
  readonly wasHere: boolean;
}

export interface PullProgress {
  readonly stage: "resolving" | "fetching" | "unpacking" | "done";
  /** Host that has answered last; "" before any has. */
  readonly host: string;
  /** Bytes of blobs that have come from registries. */
  readonly received: number;
  readonly parts: readonly PartProgress[];
}

/** Kept by the pull, looked at by whoever waits for it. */
export class Progress {
  #stage: PullProgress["stage"] = "resolving";
  #host = "";
  #received = 0;
  readonly #parts = new Map<string, PartProgress>();

  get snapshot(): PullProgress {
    return { stage: this.#stage, host: this.#host, received: this.#received, parts: [...this.#parts.values()] };
  }

  enter(stage: PullProgress["stage"]): void {
    this.#stage = stage;
  }

  add({ digest, size }: Descriptor, kind: PartProgress["kind"]): void {
    if (!this.#parts.has(digest))
      this.#parts.set(digest, { digest, kind, state: "waiting", offset: 0, size, wasHere: false });
  }

  wasHere(digest: string): void {
    const size = this.#parts.get(digest)?.size ?? 0;
    this.#change(digest, { state: "fetched", offset: size, wasHere: true });
  }

  fetching(digest: string, offset: number): void {
    this.#change(digest, { state: "fetching", offset });
  }

  received(digest: string, bytes: number, host: string): void {
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
