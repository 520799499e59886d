/** An image reference, taken apart. */
export interface Reference {
  /** `docker.io` */
  readonly domain: string;
  /** `library/busybox` */
  readonly path: string;
  /** `latest`; empty for none. */
  readonly tag: string;
  /** `sha256:…`; empty for none. */
  readonly digest: string;
}
export function parseReference(_text: string): Reference {
  throw new Error("not there yet");
}
/** The full name that a user means: `busybox` is `docker.io/library/busybox:latest`. */
export function normalizeReference(_text: string): string {
  throw new Error("not there yet");
}
