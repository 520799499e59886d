import { invalidArgument } from "@berth/base";
import type { RegistrySettings } from "@berth/images";
import type { Config } from "../config/sections.ts";

/** As containerd 2 has it; the directories need not be there. */
const DEFAULT_PATH = "/etc/containerd/certs.d:/etc/docker/certs.d";

export interface MirrorFlag {
  /** "" where it was not given. */
  readonly value: string;
  /** What it was given by. */
  readonly name: string;
}

/** What a configuration, a flag and a variable say of registries. Throws invalid-argument. */
export function registrySettings(
  { transfer, criImages }: Pick<Config, "transfer" | "criImages">,
  file: string,
  mirror: MirrorFlag,
): RegistrySettings {
  const { config_path: ownPath = "", mirrors, configs, headers } = criImages.registry;
  if (typeof ownPath !== "string")
    throw invalidArgument(`${file}: registry.config_path must be a string, and is ${JSON.stringify(ownPath)}`);
  const path = transfer.configPath || ownPath;
  const hasTables = [mirrors, configs].some((one) => one !== undefined && Object.keys(one ?? {}).length > 0);
  const from = { file, line: 0 };
  const configPath =
    path === "" && !hasTables
      ? { value: DEFAULT_PATH, source: { file: "the default", line: 0 } }
      : { value: path, source: from };
  return {
    configPath,
    mirrors: { value: mirrors, source: from },
    configs: { value: configs, source: from },
    headers: { value: headers, source: from },
    mirror: mirror.value === "" ? null : { value: mirror.value, source: { file: mirror.name, line: 0 } },
  };
}
