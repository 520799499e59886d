import { native } from "berth:native";
import { EAGAIN } from "./errno.ts";
import { Fd } from "./fd.ts";
import { type Watch, watch } from "./loop.ts";
import { unlink } from "./paths.ts";
import { check } from "./system-error.ts";
import { listenUnix } from "./unix-socket.ts";

/**
 * Waits for one connection on a fresh socket and one descriptor on it (SCM_RIGHTS; runc's --console-socket). The
 * socket listens on return; its file is removed at the end, in whatever way that comes. `fd` rejects with the
 * signal's reason, or with a SystemError (EPIPE: closed without sending, EBADMSG: bytes but no descriptor).
 */
export function receiveDescriptor(path: string, signal: AbortSignal): { listening: true; fd: Promise<Fd> } {
  signal.throwIfAborted();
  const listener = listenUnix(path, { backlog: 1 });
  return { listening: true, fd: receive(listener, path, signal) };
}

async function receive(listener: Fd, path: string, signal: AbortSignal): Promise<Fd> {
  using owned = new DisposableStack();
  owned.use(listener);
  owned.defer(() => unlink(path, { force: true }));
  using connection = new Fd(await firstResult(listener, "accept", native.socketAccept, signal), path);
  return new Fd(await firstResult(connection, "recvmsg", native.socketReceiveFd, signal), `descriptor from ${path}`);
}

/** Calls when the descriptor is readable, until the call does not say "would block". */
function firstResult(fd: Fd, name: string, call: (fd: number) => number, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    let watching: Watch | null = null;
    const settle = (finish: () => void) => {
      watching?.close();
      signal.removeEventListener("abort", onAbort);
      finish();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    signal.addEventListener("abort", onAbort);
    watching = watch(fd, { readable: true }, () => {
      const result = call(fd.number);
      if (result === -EAGAIN) return;
      settle(() => {
        try {
          resolve(check(result, name, fd.what));
        } catch (error) {
          reject(error);
        }
      });
    });
    if (signal.aborted) onAbort();
  });
}
