export { hex, randomBytes, sha256 } from "./bytes.ts";
export { readyCgroupLock } from "./cgroup-lock.ts";
export { monotonic, now } from "./clock.ts";
export {
  bytesWaiting,
  enlargePipe,
  eventCounter,
  fchown,
  O,
  open,
  pipe,
  read,
  setNonblocking,
  write,
} from "./descriptors.ts";
export { Fd } from "./fd.ts";
export { readFile, readText, readTextAgain, writeFile, writeFileAtomic } from "./file-contents.ts";
export { endsWhole, logHead, logSequence, moveToLog, openLogFile, replaceDescriptor, writeToLog } from "./log-file.ts";
export { type Interest, type Ready, type Watch, watch } from "./loop.ts";
export { collectGarbage, tidyAfter } from "./memory.ts";
export { MS, mount, umount } from "./mounts.ts";
export { detachedOverlay, fitsPage, mountOverlay } from "./overlay.ts";
export {
  chmod,
  exists,
  lstat,
  mkdir,
  mkdirAll,
  mkfifo,
  readdir,
  readlink,
  removeTree,
  rename,
  rmdir,
  type Stat,
  stat,
  symlink,
  unlink,
} from "./paths.ts";
export {
  argv,
  becomeSubreaper,
  credentials,
  cwd,
  disableHugePages,
  dropCapabilities,
  dup2,
  enterNetwork,
  env,
  environ,
  fork,
  kill,
  pid,
  scheduleCoreCreate,
  setName,
  setsid,
  unshareMounts,
} from "./process.ts";
export { findProgram, isProgram } from "./programs.ts";
export { Pump, type PumpOptions, type Sink } from "./pump.ts";
export { type ExitStatus, type ExitWatch, startReaping, watchPid } from "./reaper.ts";
export { receiveDescriptor } from "./receive-descriptor.ts";
export { type RunOptions, type RunResult, run } from "./run.ts";
export { holdSignals, onSignal, signalNumber } from "./signals.ts";
export { SocketStream } from "./socket-stream.ts";
export { type Child, type Namespace, type SpawnOptions, spawn } from "./spawn.ts";
export { print, printError, stderr, stdin, stdout } from "./stdio.ts";
export { check, isCode, SystemError } from "./system-error.ts";
export { isTerminal, makeRaw, openPty, setTerminalSize, terminalSize } from "./terminal.ts";
export { exit, onUncaught } from "./uncaught.ts";
export { acceptLoop, connectUnix, listenUnix, type Peer } from "./unix-socket.ts";
