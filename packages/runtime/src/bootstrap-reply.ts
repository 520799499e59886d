// What a shim's `start` command prints: an address, JSON with an address, or a BootstrapResult.
import { isAbsolute } from "node:path";
import { unimplemented, unknownError } from "@berth/base";
import { BootstrapResult } from "@berth/proto/containerd/runtime/bootstrap/v1";

/** How to reach a shim. */
export interface Bootstrap {
  /** Version of its task service: 2 or 3. */
  readonly version: number;
  /** `unix:///path`, or a bare path; a leading NUL for an abstract socket. */
  readonly address: string;
  readonly protocol: string;
}

/** Reads the reply. Throws unknown for what cannot be one, unimplemented for what berth does not speak. */
export function parseBootstrapReply(bytes: Uint8Array): Bootstrap {
  const text = new TextDecoder().decode(bytes).trim();
  if (text === "") throw unknownError("it printed no address");
  return checked(fromJson(text) ?? fromProtobuf(bytes) ?? { version: 2, address: text, protocol: "ttrpc" });
}

/** bootstrap.json of a bundle, as containerd 2 writes it. */
export const formatBootstrap = (bootstrap: Bootstrap): string => JSON.stringify(bootstrap);

function fromJson(text: string): Bootstrap | null {
  if (!text.startsWith("{")) return null;
  try {
    const reply = JSON.parse(text) as { version?: unknown; address?: unknown; protocol?: unknown };
    if (typeof reply.version !== "number" || typeof reply.address !== "string") return null;
    return { version: reply.version, address: reply.address, protocol: String(reply.protocol ?? "ttrpc") };
  } catch {
    return null;
  }
}

function fromProtobuf(bytes: Uint8Array): Bootstrap | null {
  try {
    const { version, address, protocol } = BootstrapResult.decode(bytes);
    return address === "" ? null : { version, address, protocol: protocol === "" ? "ttrpc" : protocol };
  } catch {
    // Text: "u" and "{" are no field's first byte.
    return null;
  }
}

function checked(bootstrap: Bootstrap): Bootstrap {
  const protocol = bootstrap.protocol.toLowerCase();
  if (protocol !== "ttrpc")
    throw unimplemented(`it speaks ${JSON.stringify(bootstrap.protocol)}; berth speaks ttrpc with shims`);
  if (bootstrap.version !== 2 && bootstrap.version !== 3)
    throw unimplemented(`its task service has version ${bootstrap.version}; berth knows 2 and 3`);
  socketPath(bootstrap.address);
  return { version: bootstrap.version, address: bootstrap.address, protocol };
}

/** The path that is dialed for a shim's address. */
export function socketPath(address: string): string {
  if (address.startsWith("unix://")) {
    const path = address.slice("unix://".length);
    if (isAbsolute(path) && Buffer.byteLength(path) <= 107 && !path.includes("\0")) return path;
  } else if (/^\/[\x21-\x7e]{1,106}$/.test(address)) {
    // Without a scheme it is an abstract socket (unix(7)), as the first generation of shims had them.
    return `\0${address}`;
  }
  throw unknownError(`it printed ${JSON.stringify(address.slice(0, 200))}, which is no address of a unix socket`);
}
