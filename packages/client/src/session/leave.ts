// The program ends by calling exit, so that nothing that is still under way can hold it up; what must be put
// back first (the terminal's mode, files) is registered here.
import { exit } from "@berth/host";

const undoing = new Set<() => void>();

/** Calls `undo` once: when disposed, or when the program ends before that. */
export function atExit(undo: () => void): Disposable {
  undoing.add(undo);
  return {
    [Symbol.dispose]() {
      if (undoing.delete(undo)) undo();
    },
  };
}

/** Undoes what is left, the newest first, and ends the program. */
export function leave(code: number): never {
  for (const undo of [...undoing].reverse()) {
    undoing.delete(undo);
    try {
      undo();
    } catch {
      // The others still have to be undone, and the exit code says more than a file that stays behind.
    }
  }
  return exit(code);
}
