import { readFile } from "node:fs/promises";
import { invalidArgument } from "@berth/base";
import { type Loaded, loadConfig, WRITTEN_VERSION } from "../config/load.ts";
import type { Config } from "../config/sections.ts";
import type { Arguments } from "./arguments.ts";
import { systemReason } from "./system-reason.ts";

const DEFAULT_FILE = "/etc/berth/config.toml";

/** The configuration file with the flags over it. The default file may be absent; one that was named may not. */
export async function effectiveConfig(args: Arguments): Promise<Loaded> {
  const file = args.config ?? DEFAULT_FILE;
  const source = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && args.config === null) return `version = ${WRITTEN_VERSION}`;
    throw invalidArgument(`configuration ${file} cannot be read: ${systemReason(error)}`, { cause: error });
  });
  const { config, file: read, warnings } = loadConfig(source, file);
  const { top, grpc, debug } = config;
  // A flag's value goes the way of a file's, so that it is checked in the same words.
  const level =
    args.logLevel === null
      ? debug.level
      : loadConfig(`version = ${WRITTEN_VERSION}\n[debug]\nlevel = ${JSON.stringify(args.logLevel)}`, "--log-level")
          .config.debug.level;
  const withFlags: Config = {
    ...config,
    top: { ...top, root: args.root ?? top.root, state: args.state ?? top.state },
    grpc: { ...grpc, address: args.address ?? grpc.address },
    debug: { ...debug, level },
  };
  for (const [name, path] of Object.entries({ root: withFlags.top.root, state: withFlags.top.state }))
    if (!path.startsWith("/")) throw invalidArgument(`${name} ${JSON.stringify(path)} must be an absolute path`);
  return { config: withFlags, file: read, warnings };
}

export const ttrpcAddressOf = ({ grpc, ttrpc }: Config): string => ttrpc.address || `${grpc.address}.ttrpc`;
