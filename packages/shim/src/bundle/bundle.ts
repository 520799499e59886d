// What lies where in a bundle: the directory that a daemon makes for one container.

/** Names of the files that a shim reads and writes in `<bundle>/`. */
export interface Bundle {
  readonly path: string;
  readonly config: string;
  readonly rootfs: string;
  readonly log: string;
  /** A directory on disk, where the daemon has made one. */
  readonly work: string;
  readonly address: string;
  readonly initPid: string;
  readonly runtimeLog: string;
  readonly runtime: string;
  readonly options: string;
  /** The exit record of init. */
  readonly exit: string;
  /** Sockets and files of one exec, by its id. */
  execPid(execId: string): string;
  execLog(execId: string): string;
  execSpec(execId: string): string;
  execExit(execId: string): string;
}

export function bundleAt(path: string): Bundle {
  const of = (name: string) => `${path}/${name}`;
  return {
    path,
    config: of("config.json"),
    rootfs: of("rootfs"),
    log: of("log"),
    work: of("work"),
    address: of("address"),
    initPid: of("init.pid"),
    runtimeLog: of("log.json"),
    runtime: of("runtime"),
    options: of("options.json"),
    exit: of("exit.json"),
    // Each kind ends in a way of its own: an exec called `init` or `a.exit` must not meet another file.
    execPid: (execId) => of(`exec-${execId}.pid`),
    execLog: (execId) => of(`exec-${execId}.log.json`),
    execSpec: (execId) => of(`exec-${execId}.spec.json`),
    execExit: (execId) => of(`exec-${execId}.exit.json`),
  };
}
