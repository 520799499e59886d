// The boundary to C: what packages/host/c/*.c registers in its function tables, and nothing else.
// Numbers and buffers go in; a result comes out, or -errno where the return type is Result.
// Another C file adds its own calls by declaring the module again (interfaces merge): see README.md.
declare module "berth:native" {
  /** A non-negative result, or -errno. */
  type Result = number;
  /** Bytes, or -errno. */
  type BytesResult = Uint8Array | number;

  interface Native {
    // host.c
    argv(): string[];
    environ(): string[];
    env(name: string): string | null;
    exit(code: number): never;
    setUncaught(handler: (error: unknown) => void): void;
    /** Lets go of units too, if asked to. */
    collectGarbage(forgetting: boolean): void;

    // errors.c
    errorName(errno: number): string;
    errorText(errno: number): string;

    // loop.c
    loopOpen(dispatch: (token: number, events: number) => void, turn: () => number): Result;
    loopAdd(fd: number, token: number, events: number): Result;
    loopModify(fd: number, token: number, events: number): Result;
    loopRemove(fd: number): Result;
    loopIsOpen(): boolean;
    /** eventfd(2), non-blocking. */
    eventCounter(): Result;
    now(): number;
    monotonic(): number;

    // process.c
    pid(): number;
    uid(): number;
    gid(): number;
    cwd(): string | number;
    fork(): Result;
    setsid(): Result;
    dup2(from: number, to: number): Result;
    kill(pid: number, signal: number): Result;
    pidfdKill(pidfd: number, signal: number): Result;
    becomeSubreaper(): Result;
    setName(name: string): Result;
    disableHugePages(): Result;
    scheduleCoreCreate(): Result;
    unshareMounts(): Result;
    enterNetwork(namespace: number): Result;
    /** The mask of capabilities to keep, in two halves of 32 bits. */
    dropCapabilities(low: number, high: number): Result;
    /** [pid, status, pid, status…] of what has ended, 0..255 or 128+signal; empty when nothing has. */
    reap(): number[];
    /** 0: our child and alive; 1: our child, ended and not reaped; -ECHILD: not our child. */
    childState(pid: number): Result;
    signalOpen(): Result;
    signalAdd(signalfd: number, signal: number): Result;
    /** The next signal's number; -EAGAIN when there is none. */
    signalRead(signalfd: number): Result;

    // cgroup_lock.c
    /** Takes the descriptor over. Microseconds between. */
    cgroupLockKeep(fd: number, between: number, times: number): Result;
    cgroupLockLeave(): Result;

    // spawn.c
    /** [pid, pidfd], or -errno. fds[i] becomes descriptor i in the child; -1 is /dev/null. */
    spawn(
      candidates: readonly string[],
      argv: readonly string[],
      env: readonly string[] | null,
      cwd: string | null,
      fds: readonly number[],
      flags: number,
      parentDeathSignal: number,
    ): readonly [pid: number, pidfd: number] | number;

    // files.c
    readonly O_CREAT: number;
    readonly O_EXCL: number;
    readonly O_TRUNC: number;
    readonly O_APPEND: number;
    readonly O_NONBLOCK: number;
    readonly O_DIRECTORY: number;
    readonly O_NOFOLLOW: number;
    readonly O_CLOEXEC: number;
    readonly O_PATH: number;
    open(path: string, flags: number, mode: number): Result;
    close(fd: number): Result;
    /** Up to max bytes (at most 64 KiB), copied. */
    read(fd: number, max: number): BytesResult;
    /** To the end; -EFBIG when there is more than limit. */
    readAll(fd: number, limit: number): BytesResult;
    /** Back to the beginning. */
    rewind(fd: number): Result;
    write(fd: number, bytes: Uint8Array): Result;
    /** All of it, waiting where the descriptor is not ready. */
    writeAll(fd: number, bytes: Uint8Array | string): Result;
    setNonblocking(fd: number): Result;
    /** [mode, size, uid, gid, ino, dev, rdev, nlink, mtimeMs] */
    stat(path: string, follow: boolean): readonly number[] | number;
    mkdir(path: string, mode: number): Result;
    readdir(path: string): string[] | number;
    unlink(path: string): Result;
    rmdir(path: string): Result;
    removeTree(path: string): Result;
    rename(from: string, to: string): Result;
    symlink(target: string, path: string): Result;
    readlink(path: string): string | number;
    chmod(path: string, mode: number): Result;
    fchmod(fd: number, mode: number): Result;
    fchown(fd: number, uid: number, gid: number): Result;
    mkfifo(path: string, mode: number): Result;
    fsync(fd: number): Result;
    mount(source: string, target: string, type: string, flags: number, data: string): Result;
    umount(target: string, flags: number): Result;
    pipe(nonblock: boolean): readonly [read: number, write: number] | number;

    // socket.c
    socketListen(path: string, mode: number, backlog: number): Result;
    socketAccept(fd: number): Result;
    /** Waits at most timeoutMs for a full backlog to move; the socket is non-blocking afterwards. */
    socketConnect(path: string, timeoutMs: number): Result;
    socketPeer(fd: number): readonly [pid: number, uid: number, gid: number] | number;
    /** The descriptor; -EAGAIN: nothing yet; -EPIPE: closed; -EBADMSG: bytes without a descriptor. */
    socketReceiveFd(fd: number): Result;
    socketSendFd(fd: number, descriptor: number, bytes: Uint8Array): Result;

    // pump.c
    /**
     * Moves about cap bytes: by splice where at least spliceFrom (0: never) wait, through a buffer else. result[0] bytes
     * moved, [1] State, [2] errno, [3] whether splice may be tried again. Returns what was read and not written.
     */
    pumpMove(from: number, to: number, cap: number, spliceFrom: number, result: Int32Array): Uint8Array | null;
    /** The size that it has now. */
    setPipeSize(fd: number, bytes: number): Result;
    /** Reads and drops at most max bytes. */
    pumpDiscard(from: number, max: number): Result;
    waiting(fd: number): Result;

    // log.c
    /**
     * As pumpMove, but each piece becomes a record of `stream` in the log. A file does not grow over `limit` bytes (0: no
     * limit): State.wait before it would.
     */
    logMove(
      from: number,
      to: number,
      cap: number,
      stream: number,
      limit: number,
      terminal: boolean,
      result: Int32Array,
    ): Uint8Array | null;
    /** Appends one record, whole or not at all, of at most 64 KiB - 16. */
    logWrite(fd: number, stream: number, bytes: Uint8Array): Result;
    /** 1: the file holds nothing behind its head, or ends with a whole record; else 0. */
    logIsWhole(fd: number): Result;
    /** Makes `fd` stand for the open file of `by`, which stays open (dup3). */
    replaceDescriptor(fd: number, by: number): Result;

    // terminal.c
    isTerminal(fd: number): boolean;
    /** width + height * 65536 */
    terminalSize(fd: number): Result;
    setTerminalSize(fd: number, width: number, height: number): Result;
    /** The settings before. */
    makeRaw(fd: number): BytesResult;
    restoreTerminal(fd: number, settings: Uint8Array): Result;
    openPty(): readonly [master: number, slave: number] | number;

    // bytes.c
    encodeUtf8(text: string): Uint8Array;
    /** null: the bytes are not UTF-8 and fatal was asked for. */
    decodeUtf8(bytes: Uint8Array, fatal: boolean): string | null;
    sha256(bytes: Uint8Array): string;
    randomBytes(count: number): Uint8Array;
    hex(bytes: Uint8Array): string;
  }

  export const native: Native;
}
