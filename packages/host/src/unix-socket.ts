import { native } from "berth:native";
import { O, open } from "./descriptors.ts";
import { EAGAIN, EMFILE, ENFILE } from "./errno.ts";
import { Fd } from "./fd.ts";
import { watch } from "./loop.ts";
import { SocketStream } from "./socket-stream.ts";
import { check } from "./system-error.ts";
import { clearTimer, setTimer, type Timer } from "./timers.ts";

/** Who is at the other end, as it was when it connected (SO_PEERCRED, unix(7)). */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Longest path that fits into a sockaddr_un with its final NUL (unix(7)). */
const MAX_PATH = 107;
const DEFAULT_MODE = 0o600;
const DEFAULT_BACKLOG = 128;
const CONNECT_TIMEOUT_MS = 5000;
/** Connections accepted for one readiness. */
const ACCEPTS_PER_TURN = 16;
/** How long accepting rests when the process or the machine has no descriptor left. */
const REST_MS = 100;

/** Calls with a path that fits: a longer one is reached through its directory's descriptor. */
function withShortPath<T>(path: string, call: (path: string) => T): T {
  if (native.encodeUtf8(path).length <= MAX_PATH) return call(path);
  const slash = path.lastIndexOf("/");
  using folder = open(path.slice(0, slash + 1) || ".", O.PATH | O.DIRECTORY);
  return call(`/proc/self/fd/${folder.number}/${path.slice(slash + 1)}`);
}

/** Binds and listens. The file has `mode` (default 0o600) from the first moment. EADDRINUSE is thrown as it comes. */
export function listenUnix(path: string, options: { mode?: number; backlog?: number } = {}): Fd {
  const { mode = DEFAULT_MODE, backlog = DEFAULT_BACKLOG } = options;
  const result = withShortPath(path, (short) => native.socketListen(short, mode, backlog));
  return new Fd(check(result, "listen", path), path);
}

/** Calls the handler for each connection until disposed. The listening descriptor stays the caller's. */
export function acceptLoop(fd: Fd, handler: (stream: SocketStream, peer: Peer) => void): Disposable {
  check(native.setNonblocking(fd.number), "fcntl", fd.what);
  let rest: Timer | null = null;
  const watching = watch(fd, { readable: true }, () => {
    for (let i = 0; i < ACCEPTS_PER_TURN && !fd.closed; i++) {
      const result = native.socketAccept(fd.number);
      if (result === -EAGAIN) return;
      if (result === -EMFILE || result === -ENFILE) {
        // The connection stays in the backlog and the descriptor stays readable: look again later instead of spinning.
        watching.update({});
        rest = setTimer(() => watching.update({ readable: true }), REST_MS);
        return;
      }
      if (result < 0) continue; // this one went away while it waited (accept(2), "Error handling")
      const connection = new Fd(result, `connection on ${fd.what}`);
      const peer = peerOf(connection);
      handler(new SocketStream(connection), peer);
    }
  });
  return {
    [Symbol.dispose]() {
      watching.close();
      if (rest !== null) clearTimer(rest);
    },
  };
}

function peerOf(fd: Fd): Peer {
  const [pid, uid, gid] = check(native.socketPeer(fd.number), "getsockopt", fd.what);
  return { pid, uid, gid };
}

/** Connects now; ENOENT and ECONNREFUSED are thrown, and EAGAIN when the listener does not accept for 5 s. */
export function connectUnix(path: string): SocketStream {
  const result = withShortPath(path, (short) => native.socketConnect(short, CONNECT_TIMEOUT_MS));
  return new SocketStream(new Fd(check(result, "connect", path), path));
}
