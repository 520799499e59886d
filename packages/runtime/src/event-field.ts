// The fields of an event that filters can name: `topic`, `namespace`, `event.container_id`,
// `event.labels.colour`. Only text can be compared, as with containerd, so numbers are absent.
import { DecodeError, eventTypes, isType } from "@berth/proto";
import type { Any } from "@berth/proto/google/protobuf";
import type { Envelope } from "./types.ts";

/** The text of a field, or null where the envelope has no such field. */
export function eventField(envelope: Envelope, fieldpath: readonly string[]): string | null {
  const [first, ...rest] = fieldpath;
  if (first === "namespace") return envelope.namespace;
  if (first === "topic") return envelope.topic;
  if (first !== "event") return null;
  return walk(decoded(envelope.event), rest);
}

function walk(value: unknown, path: readonly string[]): string | null {
  if (path.length === 0) return typeof value === "string" ? value : null;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const name = path[0] as string;
  // A map has no prototype (see the codec), and its keys may hold dots: what is left of the path is the key.
  if (Object.getPrototypeOf(value) === null) return walk((value as Record<string, unknown>)[path.join(".")], []);
  const field = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(value, field) ? walk((value as Record<string, unknown>)[field], path.slice(1)) : null;
}

// An event is looked at by every subscriber, and by each clause of its filters; it is decoded once.
const cache = new WeakMap<Any, object>();
const nothing = {};

function decoded(event: Any): object {
  const known = cache.get(event);
  if (known !== undefined) return known;
  const message = decode(event);
  cache.set(event, message);
  return message;
}

function decode(event: Any): object {
  for (const type of eventTypes) {
    if (!isType(event, type)) continue;
    try {
      return type.decode(event.value);
    } catch (error) {
      if (error instanceof DecodeError) return nothing;
      throw error;
    }
  }
  return nothing;
}
