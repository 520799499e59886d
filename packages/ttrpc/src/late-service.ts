import { unimplemented } from "@berth/base";
import type { MessageType } from "@berth/proto";
import type { Handler, IncomingCall, Registration } from "@berth/rpc";
import { decodePayload } from "./payload.ts";

/** A service whose messages and implementation are made for each call, and not kept: for programs that are mostly idle. Unary methods only. */
export interface LateService {
  /** As on the wire. */
  readonly typeName: string;
  load(): Promise<Registration>;
}

/**
 * Answers a call, in bytes. Rejects with unimplemented where there is no such method. A call that takes long holds only
 * its own handler and the answer's type: neither a frame nor a `this` leads to the rest of the service.
 */
export async function callLate(
  service: LateService,
  name: string,
  payload: Uint8Array,
  call: IncomingCall,
): Promise<Uint8Array> {
  const { service: found, impl } = await service.load();
  const entry = Object.entries(found.methods).find(([, method]) => method.name === name);
  if (entry === undefined) throw unimplemented(`method ${name}`);
  const [local, { input, output }] = entry;
  const handler = impl[local] as Handler;
  return encoded(output, handler(decodePayload(input, payload), call));
}

const encoded = async (type: MessageType<object>, answer: unknown): Promise<Uint8Array> =>
  type.encode((await answer) as object);
