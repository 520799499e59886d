import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ErrorKind,
  kindOf,
  type Labels,
  type Log,
  type LogFields,
  messageOf,
  silent,
  systemClock,
} from "@berth/base";
import { openStore, type Scope, type Store, type StoreOptions } from "@berth/store";

export const scope: Scope = { namespace: "test", lease: "" };
/** Nothing is collected unless a test asks. */
const quiet = { startupDelayMs: 1e9, mutationThreshold: 0, deletionThreshold: 0 };

export interface TemporaryStore extends AsyncDisposable {
  readonly root: string;
  readonly store: Store;
  /** Closes the store and opens it again. */
  reopen(options?: Partial<StoreOptions>): Promise<Store>;
}

export async function temporaryStore(options: Partial<StoreOptions> = {}): Promise<TemporaryStore> {
  const root = mkdtempSync(join(tmpdir(), "berth-store-"));
  const open = (more: Partial<StoreOptions> = {}) =>
    openStore({ root, clock: systemClock, log: silent, gc: quiet, ...options, ...more });
  let store = await open();
  return {
    root,
    get store() {
      return store;
    },
    async reopen(more) {
      await store.close();
      store = await open(more);
      return store;
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly sentence: string;
  readonly fields: LogFields;
}

/** A log that keeps its lines. */
export function recordingLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const over = (fixed: LogFields): Log => {
    const at =
      (level: LogLine["level"]) =>
      (sentence: string, fields: LogFields = {}) =>
        void lines.push({ level, sentence, fields: { ...fixed, ...fields } });
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      with: (more) => over({ ...fixed, ...more }),
    };
  };
  return { log: over({}), lines };
}

export const digestOf = (bytes: string | Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

let refs = 0;
/** Stores the bytes and returns their digest. */
export async function put(store: Store, text: string, labels: Labels = {}, where: Scope = scope): Promise<string> {
  await using writer = await store.content.writer(where, { ref: `ref-${refs++}`, total: 0, expected: "" });
  await writer.write(Buffer.from(text));
  return (await writer.commit({ size: 0, expected: "", labels })).digest;
}

/** The call must fail in this way. */
export async function fails(act: () => unknown, kind: ErrorKind, text = ""): Promise<void> {
  await assert.rejects(
    async () => act(),
    (error) => {
      assert.equal(kindOf(error), kind, messageOf(error));
      assert.ok(messageOf(error).includes(text), `${messageOf(error)} should say ${text}`);
      return true;
    },
  );
}
