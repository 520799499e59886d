import { isTerminal, stderr, terminalSize } from "@berth/host";
import type { PullPart, PullProgress } from "@berth/proto/berth/v1";
import { formatSize } from "../cli/size.ts";
import type { Session } from "../session/session.ts";
import { shortened } from "./display-width.ts";
import { type Direction, PullState, wordOf } from "./pull-state.ts";
import { printable } from "./table.ts";

export type ProgressMode = "terminal" | "plain" | "json" | "quiet";

/** Shows a pull or a push: as lines that change, as lines that stay, as JSON, or not at all. */
export interface PullDisplay {
  show(progress: PullProgress): void;
  /** Takes away what has been shown and changes. */
  clear(): void;
  /** Says what it has come to. */
  done(name: string, digest: string): void;
}

interface DisplayOptions extends Pick<Session, "print" | "printError" | "now"> {
  readonly name: string;
  readonly direction: Direction;
}

export const fittingMode = (): ProgressMode => (isTerminal(stderr) ? "terminal" : "plain");

/** `name` as the user has written it. */
export function displayOf(
  { print, printError, now }: Session,
  name: string,
  mode: ProgressMode,
  direction: Direction = "pull",
): PullDisplay {
  const options = { name, direction, print, printError, now };
  if (mode === "terminal") return onTerminal(options);
  if (mode === "plain") return asLines(options);
  if (mode === "json") return asJson(options);
  return { show() {}, clear() {}, done() {} };
}

function onTerminal({ name, direction, printError, now }: DisplayOptions): PullDisplay {
  const state = new PullState(now(), direction);
  let drawn = 0;
  const back = (): string => `${drawn > 0 ? `\u001b[${drawn}A` : ""}\r\u001b[J`;
  return {
    show(progress) {
      state.take(progress, now());
      const { width, height } = terminalSize(stderr);
      const lines = state.lines(name, now(), height - 1).map((line) => shortened(line, width - 1));
      printError(`${back()}${lines.map((line) => `${line}\n`).join("")}`);
      drawn = lines.length;
    },
    clear() {
      printError(back());
      drawn = 0;
    },
    done(full, digest) {
      printError(`${state.summary(full, digest, now())}\n`);
    },
  };
}

function asLines({ name, direction, printError, now }: DisplayOptions): PullDisplay {
  const state = new PullState(now(), direction);
  let host = "";
  return {
    show(progress) {
      const changed = state.take(progress, now());
      if (state.host !== host) printError(`${printable(name)}: ${state.preposition} ${state.host}\n`);
      host = state.host;
      for (const part of changed) if (part.kind === "layer") printError(`${lineOf(part)}\n`);
    },
    clear() {},
    done(full, digest) {
      printError(`${state.summary(full, digest, now())}\n`);
    },
  };
}

const lineOf = (part: PullPart): string => `${part.digest}: ${wordOf(part)}, ${formatSize(part.size)}`;

const asJson = ({ print }: DisplayOptions): PullDisplay => ({
  show(progress) {
    print(`${JSON.stringify({ progress })}\n`);
  },
  clear() {},
  done(name, digest) {
    print(`${JSON.stringify({ image: { name, digest } })}\n`);
  },
});
