// What is known of a pull or a push that goes on, and what is said of it: lines of text, and nothing of terminals.
import type { PullPart, PullProgress } from "@berth/proto/berth/v1";
import { formatDuration } from "../cli/duration.ts";
import { formatSize } from "../cli/size.ts";
import { printable } from "./table.ts";

interface Part extends PullPart {
  /** Of the first look at it while it was fetched: from there its rate counts. */
  readonly since: number;
  readonly from: number;
}

export type Direction = "pull" | "push";

const words = {
  pull: { preposition: "from", moved: "fetched from", allThere: "all of it was here" },
  push: { preposition: "to", moved: "sent to", allThere: "all of it was there" },
} as const;

/** States of a part that nothing more is done about. */
const ended = new Set(["done", "there", "mounted"]);

const BAR = 20;
/** Milliseconds before a rate says anything. */
const SETTLED_MS = 500;

/** Times are milliseconds of any one clock. */
export class PullState {
  readonly #begun: number;
  readonly #words: (typeof words)[Direction];
  readonly #parts = new Map<string, Part>();
  #progress: Pick<PullProgress, "stage" | "host" | "received"> = { stage: "resolving", host: "", received: 0 };

  constructor(begun: number, direction: Direction) {
    this.#begun = begun;
    this.#words = words[direction];
  }

  /** Between what is moved and its host. */
  get preposition(): string {
    return this.#words.preposition;
  }

  get host(): string {
    return printable(this.#progress.host);
  }

  get stage(): string {
    return this.#progress.stage;
  }

  /** Takes what a message tells, and gives the parts that have come to another state. */
  take(progress: PullProgress, now: number): PullPart[] {
    this.#progress = progress;
    return progress.parts.filter((part) => {
      const before = this.#parts.get(part.digest);
      const isNew = before === undefined || before.state === "waiting";
      this.#parts.set(part.digest, {
        ...part,
        since: isNew ? now : before.since,
        from: isNew ? part.offset : before.from,
      });
      return before?.state !== part.state;
    });
  }

  /** `most` lines at most: those that have something to say are the last to be left out. */
  lines(name: string, now: number, most: number): string[] {
    const layers = [...this.#parts.values()].filter(({ kind }) => kind === "layer");
    const head =
      this.host === "" ? `${printable(name)}: resolving` : `${printable(name)} ${this.preposition} ${this.host}`;
    if (layers.length === 0) return [head];
    const room = Math.max(0, most - 3);
    const idle = layers.filter(({ state }) => ended.has(state) || state === "waiting");
    const hidden = new Set(idle.slice(0, Math.max(0, layers.length - room)));
    const shown = layers.filter((part) => !hidden.has(part)).slice(0, room);
    const left = layers.length - shown.length;
    return [
      head,
      ...shown.map((part) => lineOf(part, now)),
      ...(left === 0 ? [] : [` and ${left} more`]),
      this.#total(layers, now),
    ];
  }

  /** One line that is left behind. */
  summary(name: string, digest: string, now: number): string {
    const parts = [...this.#parts.values()];
    const moved = parts.filter(({ wasHere, state }) => !wasHere && state !== "there");
    const seconds = ((now - this.#begun) / 1000).toFixed(1);
    const what =
      moved.length === 0
        ? this.#words.allThere
        : `${formatSize(this.#progress.received)} ${this.#words.moved} ${this.host}`;
    return `${printable(name)}@${digest}: ${what}, in ${seconds} s`;
  }

  #total(layers: readonly Part[], now: number): string {
    const sum = (of: (part: Part) => number) => layers.reduce((total, part) => total + of(part), 0);
    const [offset, size] = [sum((part) => part.offset), sum((part) => part.size)];
    const done = layers.filter(({ state }) => ended.has(state)).length;
    const rate = ratePerMs(
      sum((part) => (part.wasHere || isNeedless(part) ? 0 : part.offset - part.from)),
      now - Math.min(...layers.map(({ since }) => since)),
    );
    return ` total         ${bar(offset, size)} ${amount(offset, size)}${timeLeft(size - offset, rate)}, ${done} of ${layers.length} layers done`;
  }
}

function lineOf(part: Part, now: number): string {
  const { digest, state, offset, size, since, from } = part;
  const name = digest.slice("sha256:".length, "sha256:".length + 12);
  const rate =
    state === "fetching" || state === "pushing" ? timeLeft(size - offset, ratePerMs(offset - from, now - since)) : "";
  return ` ${name}  ${bar(offset, size)} ${amount(offset, size)} ${wordOf(part)}${rate}`;
}

/** What happens to a part, or has. */
export const wordOf = ({ wasHere, state }: PullPart): string => (wasHere && state === "fetched" ? "here" : state);

const isNeedless = ({ state }: PullPart): boolean => state === "there" || state === "mounted";

function bar(offset: number, size: number): string {
  const filled = size === 0 ? BAR : Math.floor((Math.min(offset, size) / size) * BAR);
  return `[${"=".repeat(filled)}${filled === BAR ? "" : ">"}${" ".repeat(Math.max(0, BAR - filled - 1))}]`;
}

const amount = (offset: number, size: number): string =>
  offset === size ? formatSize(size) : `${formatSize(offset)} of ${formatSize(size)}`;

const ratePerMs = (bytes: number, ms: number): number => (ms < SETTLED_MS ? 0 : bytes / ms);

function timeLeft(bytes: number, rate: number): string {
  if (rate <= 0 || bytes <= 0) return "";
  return `, ${formatSize(rate * 1000)}/s, ${formatDuration(bytes / rate)} left`;
}
