// Content.Write: a conversation about one ingest. The first message names it and locks it until the
// stream ends; each message is answered once. What was written without a commit stays, to be resumed.
import { BerthError, invalidArgument, isNotFound, outOfRange } from "@berth/base";
import {
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponse,
} from "@berth/proto/containerd/services/content/v1";
import type { Call } from "@berth/rpc";
import type { ContentStore, ContentWriter } from "@berth/store";
import { timestampOf } from "./convert-common.ts";

export async function* writeContent(
  content: ContentStore,
  requests: AsyncIterable<WriteContentRequest>,
  call: Call,
): AsyncGenerator<WriteContentResponse> {
  await using lifetime = new AsyncDisposableStack();
  let writer: ContentWriter | null = null;
  let ref = "";
  let total = 0;
  let expected = "";
  for await (const req of requests) {
    if (writer === null) {
      if (req.ref === "") throw invalidArgument("first message must have a reference");
      ref = req.ref;
      total = req.total;
      expected = req.expected;
      writer = lifetime.use(await content.writer(call, { ref, total, expected }));
    }
    if (req.expected !== "") {
      expected = req.expected;
      if (has(content, call, expected)) {
        // The ref must be free before it can be given up.
        await writer.close();
        await content.abort(call, ref);
        throw new BerthError("already-exists", `blob with expected digest ${expected} exists`);
      }
    }
    if (req.total > 0) total = req.total;
    const response = await answer(writer, req, total);
    if (req.action === WriteAction.COMMIT) {
      const info = await writer.commit({ size: total, expected, labels: req.labels });
      response.digest = info.digest;
    }
    yield response;
  }
}

async function answer(writer: ContentWriter, req: WriteContentRequest, total: number): Promise<WriteContentResponse> {
  const status = writer.status();
  let offset = status.offset;
  if (req.action === WriteAction.WRITE || req.action === WriteAction.COMMIT) {
    if (req.offset > 0 && req.offset !== offset)
      throw outOfRange(`write @${req.offset} must occur at current offset ${offset}`);
    if (req.offset === 0 && offset > 0) {
      await writer.truncate(0);
      offset = 0;
    }
    if (req.data.length > 0) {
      await writer.write(req.data);
      offset += req.data.length;
    }
  } else if (req.action !== WriteAction.STAT) throw invalidArgument(`write action ${req.action} is not known`);
  return {
    action: req.action,
    startedAt: timestampOf(status.startedAt),
    updatedAt: timestampOf(status.updatedAt),
    offset,
    total: req.action === WriteAction.STAT ? total : 0,
    digest: req.action === WriteAction.COMMIT ? "" : writer.digest(),
  };
}

function has(content: ContentStore, call: Call, digest: string): boolean {
  try {
    content.info(call, digest);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
