// A directory of registries' configurations for one test, and endpoints in one line each.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RegistrySettings, Setting } from "../src/registry/hosts/settings.ts";
import type { Endpoint } from "../src/registry/types.ts";

export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface Tree extends AsyncDisposable {
  readonly root: string;
  /** Texts of the tests name its files from its root. */
  readonly short: (text: string) => string;
}

/** `{ "a/docker.io/hosts.toml": "…" }`; a name that ends with a slash is a directory. */
export async function plantTree(files: Files): Promise<Tree> {
  const root = await mkdtemp(join(tmpdir(), "berth-hosts-"));
  for (const [name, contents] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (!name.endsWith("/")) await writeFile(path, contents);
  }
  return {
    root,
    short: (text) => text.replaceAll(`${root}/`, ""),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

export interface Given {
  /** Of directories in the tree, parted by colons. */
  readonly roots?: string;
  readonly mirrors?: unknown;
  readonly configs?: unknown;
  readonly headers?: unknown;
  readonly mirror?: string;
}

export function settingsOf(given: Given, root = "/nowhere"): RegistrySettings {
  const inFile = <T>(value: T, line: number): Setting<T> => ({ value, source: { file: "config.toml", line } });
  const roots = given.roots?.split(":").map((name) => (name === "" ? "" : join(root, name)));
  return {
    configPath: inFile(roots?.join(":") ?? "", 1),
    mirrors: inFile(given.mirrors, 2),
    configs: inFile(given.configs, 3),
    headers: inFile(given.headers, 4),
    mirror: given.mirror === undefined ? null : { value: given.mirror, source: { file: "--registry-mirror", line: 0 } },
  };
}

const letters = { pull: "p", resolve: "r", push: "w", referrers: "f" } as const;

/** `https://mirror.example/v2 prwf ?ns=docker.io a/docker.io/hosts.toml:3`, and what is not as it is by default. */
export function lineOf({ url, namespace, capabilities, tls, headers, dialTimeoutMs, source }: Endpoint): string {
  return [
    url,
    [...capabilities].map((capability) => letters[capability]).join(""),
    ...(namespace === "" ? [] : [`?ns=${namespace}`]),
    source.line === 0 ? source.file : `${source.file}:${source.line}`,
    ...(tls.skipVerify ? ["unverified"] : []),
    ...tls.ca.map((path) => `ca=${path}`),
    ...tls.client.map(({ certificate, key }) => `client=${certificate}+${key}`),
    ...Object.entries(headers).map(([name, values]) => `${name}: ${values.join("|")}`),
    ...(dialTimeoutMs === 30_000 ? [] : [`${dialTimeoutMs}ms`]),
  ].join(" ");
}
