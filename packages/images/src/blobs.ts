import type { Labels } from "@berth/base";
import { type Descriptor, failedPrecondition, isAlreadyExists } from "@berth/base";
import type { ContentInfo, Scope, Store } from "@berth/store";

const noLabels: Labels = {};

/**
 * Writes a blob from a stream. With `expected` its digest must be that, and a blob that is there and whole is not written
 * again; one that is damaged is replaced, for all that have it. `name` says in errors what the bytes were called.
 */
export async function writeBlob(
  { content, leases }: Store,
  scope: Scope,
  options: { ref: string; name: string; size: number; expected: string; body: AsyncIterable<Uint8Array> },
): Promise<{ digest: string; size: number }> {
  const { ref, name, size, expected, body } = options;
  const keep = (digest: string): void =>
    leases.addResource(scope.namespace, scope.lease, { id: digest, type: "content" });
  // One whose bytes have changed unnoticed would be called present.
  if (expected !== "") await content.verify(expected);
  try {
    await using writer = await content.writer(scope, { ref, total: size, expected });
    await writer.truncate(0);
    for await (const chunk of body) await writer.write(chunk);
    const digest = writer.digest();
    if (expected !== "" && digest !== expected)
      throw failedPrecondition(`${name} has the digest ${digest}, not ${expected}: the archive is damaged`);
    try {
      await writer.commit({ size, expected: digest, labels: noLabels });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      keep(digest);
    }
    return { digest, size };
  } catch (error) {
    if (expected === "" || !isAlreadyExists(error)) throw error;
    keep(expected);
    return { digest: expected, size };
  }
}

/** Bytes as the body of a blob. */
export async function* bytesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  if (bytes.length > 0) yield bytes;
}

/** Writes a document of our own making. */
export async function writeDocument(
  store: Store,
  scope: Scope,
  mediaType: string,
  document: object,
): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  const ref = `document-${process.hrtime.bigint()}`;
  const { digest, size } = await writeBlob(store, scope, {
    ref,
    name: mediaType,
    size: bytes.length,
    expected: "",
    body: bytesOf(bytes),
  });
  return { mediaType, digest, size, annotations: {} };
}

/** Adds labels to a blob and leaves its others. */
export function addLabels({ content }: Store, scope: Scope, digest: string, labels: Labels): ContentInfo {
  return content.update(
    scope,
    { digest, labels },
    Object.keys(labels).map((key) => `labels.${key}`),
  );
}
