// Each bundle has a fifo for its shim's log, and Node has no mkfifo(3). Running mkfifo(1) for each would cost
// a create some milliseconds, so they are made a batch ahead and moved into place.
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { internalError, type Log } from "@berth/base";
import type { RunCommand } from "./launcher.ts";
import { noRoom } from "./no-room.ts";

const BATCH = 32;
/** A new batch is made when this many are left. */
const LOW = 8;

export interface FifoPool {
  /** Puts a fifo of mode 0700 at the path, which is on the pool's file system. */
  place(path: string): Promise<void>;
  /** Resolves when no batch is being made, and those that are left are removed. */
  close(): Promise<void>;
}

export function openFifoPool(directory: string, run: RunCommand, log: Log): FifoPool {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Left by who came before us; each was made whole. Anything else is not ours to use or to remove.
  const ready = readdirSync(directory)
    .filter((name) => /^[0-9a-f]{12}-\d+$/.test(name))
    .map((name) => join(directory, name))
    .filter((path) => lstatSync(path).isFIFO());
  let filling: Promise<void> | null = null;

  const fill = (): Promise<void> => {
    filling ??= makeBatch().finally(() => {
      filling = null;
    });
    return filling;
  };
  const makeBatch = async () => {
    const prefix = randomBytes(6).toString("hex");
    const paths = Array.from({ length: BATCH }, (_, at) => join(directory, `${prefix}-${at}`));
    const result = await run({ file: "mkfifo", args: ["-m", "0700", "--", ...paths], timeoutMs: 10_000 });
    const said = result.stderr.toString().trim();
    if (/no space left|quota exceeded/i.test(said)) throw noRoom(directory);
    if (result.status !== 0) throw internalError(`mkfifo failed in ${directory}: ${said}`);
    ready.push(...paths);
  };
  const fillAhead = () => {
    fill().catch((err) => log.warn("fifos for the logs of shims cannot be made ahead", { path: directory, err }));
  };

  if (ready.length < LOW) fillAhead();
  return {
    async place(path) {
      while (ready.length === 0) await fill();
      const fifo = ready.pop() as string;
      if (ready.length < LOW && filling === null) fillAhead();
      renameSync(fifo, path);
    },
    async close() {
      await filling?.catch(() => undefined);
      for (const path of ready.splice(0)) rmSync(path, { force: true });
    },
  };
}
