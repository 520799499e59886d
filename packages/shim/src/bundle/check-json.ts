import { messageOf, unknownError } from "@berth/base";

/** Throws where the bytes are no JSON, in the words that clients know from containerd's runc shim. */
export function checkJson(bytes: Uint8Array): void {
  if (bytes.length === 0) throw unknownError("unexpected end of JSON input: unknown");
  try {
    JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unknownError(`invalid character in JSON: ${messageOf(error)}: unknown`, { cause: error });
  }
}
