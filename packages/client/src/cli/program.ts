// From an argument list to the command that it names: all that `berth` does before it asks anyone.
import { nearest } from "@berth/base";
import type { CommandEntry } from "../commands/index.ts";
import { flag, type Options, parseArgs, text, type Values } from "./args.ts";
import type { AnyCommand } from "./command.ts";
import { insteadOf } from "./other-words.ts";
import { UsageError } from "./usage-error.ts";

export const globalOptions = {
  address: text("the supervisor's socket [$BERTH_ADDRESS, else /run/berth/berth.sock]", { short: "a", value: "PATH" }),
  namespace: text("where to look for containers and images [$BERTH_NAMESPACE, else default]", {
    short: "n",
    value: "NAME",
  }),
  help: flag("say how to use berth or a command", { short: "h" }),
  version: flag("print the version of berth", { short: "v" }),
} satisfies Options;

export type Globals = Values<typeof globalOptions>;

export type Invocation =
  | { readonly kind: "help"; readonly of: AnyCommand | null }
  | { readonly kind: "version" }
  | {
      readonly kind: "run";
      readonly command: AnyCommand;
      readonly globals: Globals;
      readonly values: Values<Options>;
      readonly rest: readonly string[];
    };

/** Finds the command, and splits what was typed into its options and the rest. Throws UsageError. */
export async function readInvocation(commands: readonly CommandEntry[], args: readonly string[]): Promise<Invocation> {
  const before = parseArgs(globalOptions, args, { upToFirst: true });
  const words = before.rest;
  if (before.values.version) return { kind: "version" };
  if (words.length === 0 || words[0] === "help") {
    if (!before.values.help && words.length === 0)
      throw new UsageError("a command is missing: berth --help lists them");
    return words.length < 2
      ? { kind: "help", of: null }
      : { kind: "help", of: await findCommand(commands, words.slice(1)).load() };
  }
  const command = await findCommand(commands, words).load();
  if (before.values.help) return { kind: "help", of: command };

  const after = parseArgs(
    { ...behindCommand(command.options), ...command.options } as Options,
    words.slice(command.name.split(" ").length),
    {
      upToFirst: command.upToFirst,
    },
  );
  if (after.values.help) return { kind: "help", of: command };
  const globals = {
    address: String(after.values.address || before.values.address),
    namespace: String(after.values.namespace || before.values.namespace),
    help: false,
    version: false,
  };
  return { kind: "run", command, globals, values: after.values, rest: after.rest };
}

/** Behind the command's name the general options go by their long names, except where the letter is free. */
function behindCommand(options: Options): Options {
  const taken = new Set(Object.values(options).map(({ short }) => short));
  return Object.fromEntries(
    Object.entries(globalOptions)
      .filter(([name]) => name !== "version")
      .map(([name, option]) => [
        name,
        { ...option, short: name === "help" && !taken.has(option.short) ? option.short : null },
      ]),
  );
}

function findCommand(commands: readonly CommandEntry[], words: readonly string[]): CommandEntry {
  const [first = "", second] = words;
  const found = commands.find(({ name }) => name === first || name === `${first} ${second}`);
  if (found !== undefined) return found;
  const group = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (group.length > 0) {
    const wanted = second === undefined || second.startsWith("-") ? null : nearest(`${first} ${second}`, group);
    if (second === undefined || second.startsWith("-"))
      throw new UsageError(
        `${first} needs one more word: ${group.map((name) => name.slice(first.length + 1)).join(", ")}`,
      );
    const elsewhere = insteadOf(second);
    if (wanted === null && elsewhere !== null) throw new UsageError(elsewhere);
    throw new UsageError(
      `unknown command ${JSON.stringify(`${first} ${second}`)}: ${wanted === null ? `there is ${group.join(", ")}` : `did you mean ${wanted}?`}`,
    );
  }
  const other = insteadOf(first);
  if (other !== null) throw new UsageError(other);
  const wanted = nearest(first, [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? name))]);
  throw new UsageError(
    `unknown command ${JSON.stringify(first)}: ${wanted === null ? "berth --help lists what there is" : `did you mean ${wanted}?`}`,
  );
}
