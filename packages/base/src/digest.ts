import { invalidArgument } from "./errors.ts";

/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

const pattern = /^sha256:[a-f0-9]{64}$/;

export const isDigest = (text: string): text is Digest => pattern.test(text);

/** Throws invalid-argument unless the text is a sha256 digest. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw invalidArgument(`digest ${JSON.stringify(text)} is invalid: only sha256: with 64 hex digits is supported`);
  return text;
}

/** The hex digits of a digest: a file name. */
export const hexOf = (digest: Digest): string => digest.slice("sha256:".length);
