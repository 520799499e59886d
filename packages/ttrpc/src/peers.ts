import type { Log } from "@berth/base";
import type { ByteStream } from "./byte-stream.ts";

/** A peer that leaves more than this unsent is not read from until it has taken all of it. */
const READ_WINDOW = 4 << 20;
/** What a written chunk costs beyond its bytes while it waits. */
const CHUNK_OVERHEAD = 512;
/** A peer that holds less is not worth closing. */
const WORTHWHILE = 64 << 10;

/** Bounds what all connections of a server make it keep. */
export class Peers {
  /** In the order in which something of theirs was last finished. */
  readonly #peers = new Set<Peer>();
  readonly #limit: number;
  readonly #log: Log;
  #held = 0;

  constructor(limit: number, log: Log) {
    this.#limit = limit;
    this.#log = log;
  }

  /** The stream, watched. `held` are the bytes that its connection keeps of what has come, now. */
  watch(stream: ByteStream, held: () => number): ByteStream {
    const peer = new Peer(stream, held, this);
    this.#peers.add(peer);
    return peer;
  }

  changed(peer: Peer, by: number): void {
    if (!this.#peers.has(peer)) return;
    this.#held += by;
    if (by < 0 || peer.held === 0) {
      this.#peers.delete(peer);
      this.#peers.add(peer);
    }
    if (this.#held > this.#limit) this.#relieve();
  }

  forget(peer: Peer): void {
    if (this.#peers.delete(peer)) this.#held -= peer.held;
  }

  /** Closes those that have finished nothing for longest. A frame of 4 MiB takes an honest peer some milliseconds. */
  #relieve(): void {
    for (const peer of [...this.#peers]) peer.count();
    for (const peer of this.#peers) {
      if (this.#held <= this.#limit) return;
      if (peer.held < WORTHWHILE) continue;
      this.#log.warn("a connection is closed: all together hold too many bytes", { count: peer.held });
      this.forget(peer);
      peer.close();
    }
  }
}

class Peer implements ByteStream {
  /** Bytes that were counted last. */
  held = 0;
  readonly #stream: ByteStream;
  readonly #connection: () => number;
  readonly #peers: Peers;
  /** Estimate of what waits to be sent, with what it costs. */
  #unsent = 0;
  #behind = false;
  #paused = false;

  constructor(stream: ByteStream, connection: () => number, peers: Peers) {
    this.#stream = stream;
    this.#connection = connection;
    this.#peers = peers;
  }

  get pending(): number {
    return this.#stream.pending;
  }

  start({ onData, onClose }: Parameters<ByteStream["start"]>[0]): void {
    this.#stream.start({
      onData: (chunk) => {
        onData(chunk);
        this.count();
      },
      onClose: (error) => {
        this.#peers.forget(this);
        onClose(error);
      },
    });
  }

  write(chunk: Uint8Array): void {
    this.#stream.write(chunk);
    this.#unsent = this.#stream.pending === 0 ? 0 : this.#unsent + chunk.length + CHUNK_OVERHEAD;
    if (this.#unsent <= READ_WINDOW || this.#behind) return;
    this.#behind = true;
    this.#stream.pause?.();
    void this.#stream.drained().then(() => {
      this.#behind = false;
      this.#unsent = 0;
      this.count();
      if (!this.#paused) this.#stream.resume?.();
    });
    this.count();
  }

  count(): void {
    const held = this.#connection() + (this.#behind ? Math.max(this.#unsent, this.#stream.pending) : 0);
    const by = held - this.held;
    if (by === 0) return;
    this.held = held;
    this.#peers.changed(this, by);
  }

  drained(): Promise<void> {
    return this.#stream.drained();
  }

  close(): void {
    this.#stream.close();
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause?.();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#behind) this.#stream.resume?.();
  }
}
