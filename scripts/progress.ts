// Says how far a run of test files is: each file as it begins, and what is waited for when nothing has been heard for
// a while.
import { relative } from "node:path";
import type { TestsStream } from "node:test";

/** Silence after which it says what is waited for. */
const QUIET_MS = 30_000;

export interface Progress extends Disposable {
  /** Listens to a run. */
  follow(stream: TestsStream): void;
}

interface TestEvent {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string;
}

export function progressOf(files: readonly string[], top: string, say: (line: string) => void): Progress {
  const begun = performance.now();
  const soFar = () => {
    const seconds = Math.round((performance.now() - begun) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  /** By file, what has begun and not ended: suites and the test inside of them. */
  const open = new Map<string, string[]>();
  let started = 0;
  const isFile = ({ name, file = "" }: TestEvent) => files.includes(file) && file.endsWith(name);
  /** A test names the file that it is written in, which may be one that the running file imports. */
  const namesOf = ({ file = "" }: TestEvent) => open.get(file) ?? (open.size === 1 ? [...open.values()][0] : undefined);
  const timer = setInterval(() => {
    for (const [file, names] of open)
      say(`   … ${soFar()}: ${relative(top, file)}${names.length === 0 ? "" : ` is at: ${names.join(" > ")}`}`);
  }, QUIET_MS).unref();
  return {
    follow(stream) {
      stream.on("test:dequeue", (event: TestEvent) => {
        if (event.file !== undefined && isFile(event)) {
          open.set(event.file, []);
          say(`── ${++started} of ${files.length} (${soFar()}): ${relative(top, event.file)}`);
        } else {
          namesOf(event)?.splice(event.nesting, Infinity, event.name);
        }
        timer.refresh();
      });
      stream.on("test:complete", (event: TestEvent) => {
        if (event.file !== undefined && isFile(event)) open.delete(event.file);
        else namesOf(event)?.splice(event.nesting);
        timer.refresh();
      });
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
