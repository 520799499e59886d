// The options of commands that show how far a pull or a push is.
import { flag, parsed } from "../cli/args.ts";
import { UsageError } from "../cli/usage-error.ts";
import { fittingMode, type ProgressMode } from "../print/pull-display.ts";

/** `quiet` says what --quiet leaves. */
export const progressOptions = (quiet: string) => ({
  quiet: flag(quiet, { short: "q" }),
  progress: parsed("terminal, plain, json or quiet [as it fits]", { value: "HOW" }, null, parseMode),
});

export const modeOf = ({ quiet, progress }: { readonly quiet: boolean; readonly progress: ProgressMode | null }) =>
  quiet ? "quiet" : (progress ?? fittingMode());

const modes: readonly string[] = ["terminal", "plain", "json", "quiet"] satisfies ProgressMode[];

function parseMode(given: string): ProgressMode {
  if (!modes.includes(given)) throw new UsageError(`${JSON.stringify(given)} is none of ${modes.join(", ")}`);
  return given as ProgressMode;
}
