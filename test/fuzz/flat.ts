// Whether a process keeps what it should have let go of.
import assert from "node:assert/strict";
import { until } from "../shim/harness.ts";

interface Measured {
  descriptors(): string[];
  resident(): number;
}

/** More than sanitizers set aside for freed memory (4 MB), and than an allocator's holes. */
const ROOM_KIB = 24 << 10;

export interface Flat {
  /** Fails where memory has grown; the first call is the measure. */
  look(): void;
  /** Resolves when no more descriptors are open than in the beginning. */
  settled(): Promise<void>;
}

export function assertFlat(process: Measured): Flat {
  const descriptors = process.descriptors().length;
  let first: number | null = null;
  return {
    look() {
      const now = process.resident();
      first ??= now;
      assert.ok(now < first + ROOM_KIB, `memory stays flat: ${first} KiB, later ${now} KiB`);
    },
    async settled() {
      await until(() => process.descriptors().length <= descriptors);
    },
  };
}
