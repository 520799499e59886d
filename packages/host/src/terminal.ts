import { native } from "berth:native";
import { Fd } from "./fd.ts";
import { check } from "./system-error.ts";

export const isTerminal = (fd: Fd): boolean => native.isTerminal(fd.number);

/** In characters. */
export function terminalSize(fd: Fd): { width: number; height: number } {
  const size = check(native.terminalSize(fd.number), "ioctl", fd.what);
  return { width: size % 65536, height: Math.floor(size / 65536) };
}

/** The programs on the terminal get SIGWINCH. */
export function setTerminalSize(fd: Fd, width: number, height: number): void {
  check(native.setTerminalSize(fd.number, width, height), "ioctl", fd.what);
}

/** Bytes pass as they are typed (cfmakeraw(3)). Disposing restores the settings before; a terminal that is gone is fine. */
export function makeRaw(fd: Fd): Disposable {
  const settings = check(native.makeRaw(fd.number), "tcsetattr", fd.what);
  return {
    [Symbol.dispose]() {
      if (!fd.closed) native.restoreTerminal(fd.number, settings);
    },
  };
}

/** A new pseudoterminal: what is written to one end can be read from the other. */
export function openPty(): { master: Fd; slave: Fd } {
  const [master, slave] = check(native.openPty(), "openpty", "/dev/ptmx");
  return { master: new Fd(master, "pty master"), slave: new Fd(slave, "pty slave") };
}
