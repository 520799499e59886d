import { isTerminal, makeRaw, onSignal, stdin, stdout, terminalSize } from "@berth/host";
import { atExit } from "../session/leave.ts";

const SIGWINCH = 28;

/** Keys reach the container as they are typed, until disposed or the program ends. */
export function rawKeys(): Disposable {
  const raw = makeRaw(stdin);
  return atExit(() => raw[Symbol.dispose]());
}

/** Tells the size of our terminal now and at each change; nothing where there is none. */
export function followSize(resize: (width: number, height: number) => void): void {
  const terminal = [stdout, stdin].find((fd) => isTerminal(fd));
  if (terminal === undefined) return;
  const tell = () => {
    const { width, height } = terminalSize(terminal);
    if (width > 0 && height > 0) resize(width, height);
  };
  onSignal(SIGWINCH, tell); // before the look, or a change between the two goes unnoticed
  tell();
}
