// Members of a tar as it arrives: nothing but the chunk at hand and the header is kept.
import { setImmediate } from "node:timers/promises";
import {
  canceled,
  createTarReader,
  dataLoss,
  invalidArgument,
  paddedSize,
  TAR_BLOCK,
  type TarMember,
} from "@berth/base";

export interface ArchiveMember {
  readonly member: TarMember;
  /** The body's bytes. What is not read is skipped. Valid until the next member is asked for. */
  body(): AsyncGenerator<Uint8Array, void>;
}

/** Members that are read before others get their turn: a chunk may hold thousands. */
const TURN = 64;
/** What writers add behind the end: up to a block of their tape, which is 10 KiB by default. */
const MAX_PADDING = 16 << 20;

/** data-loss where the archive ends too early, invalid-argument where it is no tar, canceled when aborted. */
export async function* tarMembers(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ArchiveMember, void> {
  const bytes = new Bytes(source, signal);
  const reader = createTarReader();
  let last = "its first header";
  try {
    for (let zeros = 0, blocks = 1; zeros < 2; blocks++) {
      if (blocks % TURN === 0) await setImmediate();
      const block = await bytes.exactly(TAR_BLOCK, last);
      if (block === null) break;
      const step = reader.header(block);
      if (step.at === "zeros") {
        zeros++;
        continue;
      }
      zeros = 0;
      if (step.at === "extension") {
        const body = await bytes.exactly(paddedSize(step.size), last);
        if (body === null) throw truncated(`the extended header after ${last}`);
        reader.extension(body.subarray(0, step.size));
        continue;
      }
      const { member } = step;
      last = `member ${JSON.stringify(member.name)}`;
      let left = member.size;
      const body = async function* (): AsyncGenerator<Uint8Array, void> {
        while (left > 0) {
          const part = await bytes.atMost(left, last);
          left -= part.length;
          yield part;
        }
      };
      yield { member, body };
      await bytes.skip(left + paddedSize(member.size) - member.size, last);
    }
    // To the end: the sender must not be cut off in the middle of the padding that writers add.
    let padding = 0;
    for (let chunk = await bytes.next(); chunk !== null; chunk = await bytes.next()) {
      padding += chunk.length;
      if (padding > MAX_PADDING) throw invalidArgument(`the archive has more than ${MAX_PADDING} bytes behind its end`);
    }
  } finally {
    await bytes.close();
  }
}

class Bytes {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  #chunk: Uint8Array = new Uint8Array();
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  /** The next bytes, however many; null at the end. */
  async next(): Promise<Uint8Array | null> {
    while (this.#chunk.length === 0) {
      if (this.#ended) return null;
      if (this.#signal.aborted) throw canceled("the import was canceled");
      const { done, value } = await this.#iterator.next();
      if (done === true) this.#ended = true;
      else this.#chunk = value;
    }
    const chunk = this.#chunk;
    this.#chunk = new Uint8Array();
    return chunk;
  }

  /** At least one byte and at most `limit`; throws at the end. */
  async atMost(limit: number, where: string): Promise<Uint8Array> {
    const chunk = await this.next();
    if (chunk === null) throw truncated(where);
    this.#chunk = chunk.subarray(limit);
    return chunk.subarray(0, limit);
  }

  /** null where the stream ends before the first byte. */
  async exactly(length: number, where: string): Promise<Uint8Array | null> {
    const whole = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const chunk = await this.next();
      if (chunk === null) {
        if (at === 0) return null;
        throw truncated(where);
      }
      const part = chunk.subarray(0, length - at);
      this.#chunk = chunk.subarray(part.length);
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  async skip(count: number, where: string): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.atMost(left, where)).length;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

const truncated = (where: string): Error => dataLoss(`the archive is truncated: it ends in the middle of ${where}`);
