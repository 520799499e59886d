import { invalidArgument } from "@berth/base";
import { DecodeError } from "@berth/proto";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Any } from "@berth/proto/google/protobuf";
import { dial, nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";

/** Larger events are nobody's. */
const LARGEST = 4 << 20;
/** Milliseconds. */
const PATIENCE = 10_000;

/** Publishes an event that a shim could not send itself (the `-publish-binary` of the shim contract). */
export async function publish(
  address: string,
  event: { topic: string; namespace: string },
  input: AsyncIterable<Uint8Array>,
): Promise<void> {
  if (event.topic === "") throw invalidArgument("the topic is missing: use --topic");
  const client = createClient(nodeByteStream(await dial(address, `the daemon at ${address}`, PATIENCE)));
  try {
    const { topic, namespace } = event;
    await client.service(Events).publish({ topic, event: await readAny(input) }, { namespace, timeoutMs: PATIENCE });
  } finally {
    client.close();
  }
}

async function readAny(input: AsyncIterable<Uint8Array>): Promise<Any> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > LARGEST) throw invalidArgument(`the event on standard input is larger than ${LARGEST} bytes`);
    chunks.push(chunk);
  }
  try {
    return Any.decode(Buffer.concat(chunks));
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw invalidArgument(`standard input is not a google.protobuf.Any: ${cause.message}`, { cause });
  }
}
