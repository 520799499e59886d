import type { Session } from "../session/session.ts";
import type { Options, Values } from "./args.ts";

/** One command of the program. */
export interface Command<O extends Options> {
  /** `image ls` */
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What follows the options: `IMAGE [COMMAND…]`. */
  readonly usage: string;
  /** Said below the options; empty for nothing. */
  readonly notes: string;
  readonly options: O;
  /** The first argument begins a command line of its own. */
  readonly upToFirst: boolean;
  /** Resolves to the exit code. */
  run(session: Session, values: Values<O>, rest: readonly string[]): Promise<number>;
}

// biome-ignore lint/suspicious/noExplicitAny: commands of all options stand in one list
export type AnyCommand = Command<any>;

/** A command, with its options' types taken from its table. */
export const command = <const O extends Options>(
  given: Omit<Command<O>, "notes" | "upToFirst"> & { readonly notes?: string; readonly upToFirst?: boolean },
): Command<O> => ({ notes: "", upToFirst: false, ...given });
