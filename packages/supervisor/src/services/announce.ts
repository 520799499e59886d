import { type Init, type MessageType, packAny } from "@berth/proto";
import type { Exchange } from "@berth/runtime";

/** Tells subscribers what has just been changed. */
export function announce<T extends object>(
  events: Exchange,
  namespace: string,
  topic: string,
  type: MessageType<T>,
  event: Init<T>,
): void {
  events.publish(namespace, topic, packAny(type, event));
}
