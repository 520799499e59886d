import { internalError } from "@berth/base";
import { DecodeError, type MessageType } from "@berth/proto";

/** The message in a payload. Throws internal, in the words of Go's peers. */
export function decodePayload<T extends object>(type: MessageType<T>, payload: Uint8Array): T {
  try {
    return type.decode(payload);
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw internalError(`ttrpc: error unmarshalling payload: ${type.typeName}: ${cause.message}`, { cause });
  }
}
