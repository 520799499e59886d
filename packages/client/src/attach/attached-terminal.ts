import { isTerminal, makeRaw, onSignal, stdin, stdout, terminalSize } from "@berth/host";
import { atExit } from "../session/leave.ts";

const SIGWINCH = 28;

/** Keys reach the container as they are typed, until disposed or the program ends. */
export function rawKeys(): Disposable {
  const raw = makeRaw(stdin);
  return atExit(() => raw[Symbol.dispose]());
}

/** Of our terminal, in characters; 0 where it does not know. Null where we have none. */
export function ownSize(): { width: number; height: number } | null {
  const terminal = [stdout, stdin].find((fd) => isTerminal(fd));
  return terminal === undefined ? null : terminalSize(terminal);
}

/** Tells the size of our terminal now and at each change; nothing where there is none. */
export function followSize(resize: (width: number, height: number) => void): void {
  if (ownSize() === null) return;
  const tell = () => {
    const { width, height } = ownSize() ?? { width: 0, height: 0 };
    if (width > 0 && height > 0) resize(width, height);
  };
  onSignal(SIGWINCH, tell); // before the look, or a change between the two goes unnoticed
  tell();
}
