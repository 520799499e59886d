import type { Socket } from "node:net";
import type { ByteStream } from "@berth/ttrpc";

/** A Node socket, connected or connecting, as a ByteStream. The socket is the stream's from now on. */
export function nodeByteStream(socket: Socket): ByteStream {
  let failure: Error | null = null;
  let waiting: (() => void)[] = [];
  const wake = () => {
    if (waiting.length === 0 || (socket.writableLength > 0 && !socket.destroyed)) return;
    const resolvers = waiting;
    waiting = [];
    for (const resolve of resolvers) resolve();
  };
  // Heard from the beginning: an error before `start` must not become an uncaught exception.
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("close", wake);
  return {
    start({ onData, onClose }) {
      if (socket.destroyed) {
        queueMicrotask(() => onClose(failure));
        return;
      }
      socket.on("close", () => onClose(failure));
      // A peer that has stopped sending has gone: half-open connections mean nothing here.
      socket.on("end", () => socket.destroy());
      socket.on("data", (chunk: Uint8Array) => {
        if (!socket.destroyed) onData(chunk);
      });
    },
    write(chunk) {
      if (!socket.destroyed) socket.write(chunk, wake);
    },
    get pending() {
      return socket.destroyed ? 0 : socket.writableLength;
    },
    drained() {
      if (socket.destroyed || socket.writableLength === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    close() {
      socket.destroy();
    },
    pause() {
      socket.pause();
    },
    resume() {
      socket.resume();
    },
  };
}
