// Bytes over streams, as containerd's core/transfer/streaming sends them: the receiver grants windows, the sender sends Data
// as long as there is room in them, and the end of the stream is the end of the bytes.
import { invalidArgument, unavailable } from "@berth/base";
import { packAny, unpackAny } from "@berth/proto";
import { Data, WindowUpdate } from "@berth/proto/containerd/types/transfer";
import type { Stream } from "./streams.ts";

/** Bytes of one message at most. */
const MOST_DATA = 32 << 10;
/** Bytes that are granted at once, whenever less than that is open. */
const WINDOW = 2 * MOST_DATA;

/** What the client sends, until it sends no more. Throws invalid-argument for more than was granted. */
export async function* receiveBytes(stream: Stream): AsyncGenerator<Uint8Array, void> {
  let open = 0;
  for (;;) {
    if (open < WINDOW) {
      await stream.send(packAny(WindowUpdate, { update: WINDOW }));
      open += WINDOW;
    }
    const message = await stream.receive();
    if (message === null) return;
    const data = unpackAny(Data, message)?.data;
    if (data === undefined) throw misplaced(stream, message.typeUrl, "bytes");
    if (data.length > open)
      throw invalidArgument(
        `stream ${JSON.stringify(stream.id)} has sent ${data.length} bytes where its window had room for ${open}`,
      );
    open -= data.length;
    yield data;
  }
}

/** Sends the bytes as the client grants it. Throws unavailable if that ends before them. */
export async function sendBytes(stream: Stream, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  let open = 0;
  for await (const chunk of bytes)
    for (let at = 0; at < chunk.length; ) {
      while (open <= 0) open += await grantOf(stream);
      const data = chunk.subarray(at, at + Math.min(open, MOST_DATA));
      await stream.send(packAny(Data, { data }));
      at += data.length;
      open -= data.length;
    }
}

async function grantOf(stream: Stream): Promise<number> {
  const message = await stream.receive();
  if (message === null) throw unavailable(`stream ${JSON.stringify(stream.id)} takes no more bytes: it was ended`);
  const update = unpackAny(WindowUpdate, message)?.update;
  if (update === undefined) throw misplaced(stream, message.typeUrl, "room for bytes");
  return update;
}

const misplaced = ({ id }: Stream, typeUrl: string, wanted: string): Error =>
  invalidArgument(
    `stream ${JSON.stringify(id)} has sent ${JSON.stringify(typeUrl.slice(0, 200))} where ${wanted} must come`,
  );
