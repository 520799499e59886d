// What a shim tells the daemon: each event goes into the queue at the moment at which it happens.
import { now } from "@berth/host";
import type { Init, MessageType } from "@berth/proto";
import type { EventQueue } from "./event-queue.ts";

export interface Events {
  publish<T extends object>(topic: string, type: MessageType<T>, event: Init<T>): void;
}

/** `wake` is told that there is something to send. */
export const createEvents = (queue: EventQueue, wake: () => void): Events => ({
  publish(topic, type, event) {
    const value = type.encode(event);
    queue.push({ topic, at: now(), typeUrl: type.typeName, value, exit: topic === "/tasks/exit" });
    wake();
  },
});
