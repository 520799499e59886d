// containerd's Streaming: a call begins with the id that a transfer will name it by, and is answered once that is known.
import { invalidArgument } from "@berth/base";
import { packAny, unpackAny } from "@berth/proto";
import { StreamInit, type Streaming } from "@berth/proto/containerd/services/streaming/v1";
import { type Any, Empty } from "@berth/proto/google/protobuf";
import type { Call, ServiceImpl } from "@berth/rpc";
import { openStream, type Streams } from "./streams.ts";

export const streamingService = (streams: Streams): ServiceImpl<typeof Streaming> => ({
  async *stream(requests, call) {
    const incoming = requests[Symbol.asyncIterator]();
    const stream = openStream(await idOf(incoming, call), incoming, call.signal);
    streams.add(call, stream);
    try {
      yield packAny(Empty, {});
      yield* stream.answers;
    } finally {
      streams.remove(call, stream);
      stream.close();
    }
  },
});

async function idOf(incoming: AsyncIterator<Any>, { method }: Call): Promise<string> {
  const first = await incoming.next();
  const init = first.done === true ? null : unpackAny(StreamInit, first.value);
  if (init === null) throw invalidArgument(`${method} begins with a StreamInit, which says the stream's id`);
  return init.id;
}
