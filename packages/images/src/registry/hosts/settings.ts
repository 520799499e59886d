// What the configuration says of registries, before anything of it is read.
import type { Endpoint, Source } from "../types.ts";

export interface Setting<T> {
  readonly value: T;
  readonly source: Source;
}

/** The keys of `registry` in containerd's CRI plugin. Tables are as the TOML parser gives them, undefined for none. */
export interface RegistrySettings {
  /** `config_path`: directories, parted by colons, which have one directory for each registry; "" for none. */
  readonly configPath: Setting<string>;
  /** `mirrors`: `{ "docker.io": { endpoint: ["https://mirror.example"] } }`, `*` for all that are not named. */
  readonly mirrors: Setting<unknown>;
  /** `configs`: `{ "mirror.example:5000": { auth: {…}, tls: {…} } }`, by host. */
  readonly configs: Setting<unknown>;
  /** `headers`: sent to all. */
  readonly headers: Setting<unknown>;
  /**
   * One mirror that is asked first for the images of every registry, of `--registry-mirror` or CONTAINER_REGISTRY_MIRROR.
   * null or "" for none.
   */
  readonly mirror: Setting<string> | null;
}

/** What a caller says of a registry, beside the configuration. */
export interface RegistryWishes {
  /** Sent with each request to an endpoint. */
  readonly headers: Readonly<Record<string, string>>;
  /** A directory as `configPath`, in the place of all that is configured; "" for none. */
  readonly hostDirectory: string;
  /** How a registry is spoken to of which nothing says that; "" for the default. A loopback address has its own. */
  readonly scheme: "" | "http" | "https";
}

export const noWishes: RegistryWishes = { headers: {}, hostDirectory: "", scheme: "" };

export interface Explanation {
  /** In the order in which they are tried. */
  readonly endpoints: readonly Endpoint[];
  /** One sentence for each thing that is configured and has no effect. */
  readonly warnings: readonly string[];
}
