// What stands between a reference and the servers that are asked for it.
import type { Credentials } from "@berth/base";

export type { Credentials } from "@berth/base";

/** What an endpoint may be asked: for blobs and manifests by digest, for tags, to take uploads, for what refers to a manifest. */
export type Capability = "pull" | "resolve" | "push" | "referrers";

/** Where a setting was found, for `registry explain`. */
export interface Source {
  /** Path of a file, or the name of a flag, a variable or a default in words. */
  readonly file: string;
  /** From 1; 0 where there is none. */
  readonly line: number;
}

export interface TlsSettings {
  /** PEM files with authorities that are trusted beside the system's. */
  readonly ca: readonly string[];
  /** PEM files of client certificates with their keys; a key that is "" is in the certificate's file. */
  readonly client: readonly { readonly certificate: string; readonly key: string }[];
  /** Whatever certificate it has is taken. */
  readonly skipVerify: boolean;
}

/** One server that may be asked for the images of a registry. */
export interface Endpoint {
  /** `https://mirror.example:5000/v2`, without a slash at its end: what paths of the distribution API are put behind. */
  readonly url: string;
  /** `mirror.example:5000`: what credentials are looked up by. */
  readonly host: string;
  /** The registry that the reference names, sent as `?ns=`; "" where the endpoint is the registry itself. */
  readonly namespace: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly tls: TlsSettings;
  /** Sent with each request, names in lower case. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Milliseconds for a connection to stand. */
  readonly dialTimeoutMs: number;
  /** From the configuration; null where there are none. */
  readonly credentials: Credentials | null;
  readonly source: Source;
}

/** The endpoints of a registry (`docker.io`, `localhost:5000`), in the order in which they are to be tried. */
export type EndpointsOf = (registry: string) => Promise<readonly Endpoint[]>;
