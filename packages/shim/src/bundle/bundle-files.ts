// Reads and writes the files of a bundle.
import { isCode, readText, writeFile, writeFileAtomic } from "@berth/host";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { Bundle } from "./bundle.ts";
import { type BundleConfig, parseBundleConfig } from "./bundle-config.ts";
import { type ExitRecord, parseExitRecord } from "./exit-record.ts";
import { formatOptions, parseOptions } from "./saved-options.ts";

/** Larger specifications are not read. */
const CONFIG_LIMIT = 16 << 20;

export const readBundleConfig = ({ config }: Bundle): BundleConfig => parseBundleConfig(readText(config, CONFIG_LIMIT));

export function saveOptions(bundle: Bundle, options: Options): void {
  writeFile(bundle.options, formatOptions(options), { mode: 0o600 });
  writeFile(bundle.runtime, options.binaryName, { mode: 0o600 });
}

/** The options as far as they were saved; a bundle without them gives the defaults. */
export function loadOptions(bundle: Bundle): Options {
  const saved = parseOptions(textOf(bundle.options) ?? "");
  return saved.binaryName === ""
    ? Options.create({ ...saved, binaryName: textOf(bundle.runtime)?.trim() ?? "" })
    : saved;
}

/** Replaces the record; a reader sees the old one, none, or all of the new one. */
export const writeExitRecord = (path: string, record: ExitRecord): void =>
  writeFileAtomic(path, JSON.stringify(record), { mode: 0o600 });

/** null where there is no record, or one that is not whole. */
export function readExitRecord(path: string): ExitRecord | null {
  const text = textOf(path);
  return text === null ? null : parseExitRecord(text);
}

/** The path of the shim's socket; empty where none was written down. */
export const readAddress = ({ address }: Bundle): string => (textOf(address) ?? "").trim().replace("unix://", "");

/** The pid that the runtime has written; 0 where there is none. */
export const readPidFile = (path: string): number => Number.parseInt(textOf(path) ?? "", 10) || 0;

/** null where the file is missing. */
function textOf(path: string): string | null {
  try {
    return readText(path, 65_536);
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}
