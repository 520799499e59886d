import type { Labels } from "@berth/base";
import type { ContentInfo, Scope, Store } from "@berth/store";

/** Bytes as the body of a blob. */
export async function* bytesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  if (bytes.length > 0) yield bytes;
}

/** Adds labels to a blob and leaves its others. */
export function addLabels({ content }: Store, scope: Scope, digest: string, labels: Labels): ContentInfo {
  return content.update(
    scope,
    { digest, labels },
    Object.keys(labels).map((key) => `labels.${key}`),
  );
}
