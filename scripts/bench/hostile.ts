// What hostile archives cost: how long each takes to be answered, what berthd keeps meanwhile, and what another client
// waits for `version`.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { connectGrpc } from "@berth/grpc";
import { startBerthd } from "../../test/support/berthd.ts";
import { hostileArchives, importHostile, peakMemory } from "./hostile-archives.ts";
import { interruption } from "./interruption.ts";

export interface HostileFigures {
  readonly archives: number;
  /** Milliseconds to the answer of each. */
  readonly answers: readonly { readonly title: string; readonly ms: number; readonly versionMs: number }[];
  readonly peakBytes: number;
  /** Milliseconds that another client waited, call by call. */
  readonly versions: readonly number[];
}

export async function measureHostile(): Promise<HostileFigures> {
  await using daemon = await startBerthd();
  using connection = connectGrpc(daemon.address);
  const other = fork(join(import.meta.dirname, "version-client.ts"), [daemon.address]);
  try {
    const answers = [];
    const versions: number[] = [];
    await lap(other);
    for (const { title, archive } of hostileArchives) {
      interruption.throwIfAborted();
      // Made before the clock starts.
      const made = archive();
      const parts = made instanceof Uint8Array ? [made] : [...made];
      const begun = performance.now();
      await importHostile(connection, "hostile", parts).catch(() => []);
      const ms = performance.now() - begun;
      const waited = await lap(other);
      versions.push(...waited);
      answers.push({ title, ms, versionMs: Math.max(0, ...waited) });
    }
    return { archives: answers.length, answers, peakBytes: peakMemory(daemon.pid), versions };
  } finally {
    other.kill();
  }
}

/** What the other client has waited since the last lap. */
async function lap(other: ChildProcess): Promise<number[]> {
  other.send("lap");
  const [waited] = await once(other, "message");
  return waited as number[];
}
