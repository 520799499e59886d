// Arguments, driven by a table of options: what each is called, what it takes and what it says of itself.
import { UsageError } from "./usage-error.ts";

/** One option. `take` gets the value so far and the text given (empty for a flag) and throws UsageError. */
export interface Option<T> {
  readonly short: string | null;
  /** What stands for the value in help; null: the option takes none. */
  readonly value: string | null;
  readonly help: string;
  readonly initial: T;
  take(previous: T, text: string): T;
}

/** Options by long name, without the dashes. */
// biome-ignore lint/suspicious/noExplicitAny: T stands on both sides of `take`
export type Options = Readonly<Record<string, Option<any>>>;

/** The values of a table of options. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

interface Naming {
  readonly short?: string;
  readonly value?: string;
}

export const flag = (help: string, naming: Naming = {}): Option<boolean> => ({
  short: naming.short ?? null,
  value: null,
  help,
  initial: false,
  take: () => true,
});

/** One text; the last one given counts. Empty where it was not given. */
export const text = (help: string, naming: Naming = {}): Option<string> => parsed(help, naming, "", (given) => given);

/** Texts in the order given. */
export const list = (help: string, naming: Naming = {}): Option<readonly string[]> => ({
  short: naming.short ?? null,
  value: naming.value ?? "TEXT",
  help,
  initial: [],
  take: (previous, given) => [...previous, given],
});

/** A value of its own kind; `parse` throws UsageError. */
export const parsed = <T>(help: string, naming: Naming, initial: T, parse: (given: string) => T): Option<T> => ({
  short: naming.short ?? null,
  value: naming.value ?? "TEXT",
  help,
  initial,
  take: (_previous, given) => parse(given),
});

export interface Parsed<O extends Options> {
  readonly values: Values<O>;
  readonly rest: readonly string[];
}

/**
 * Reads options and collects what is left. `-it` is `-i -t`, `-n5` is `-n 5`, `--` ends the options.
 * With `upToFirst` the first argument that is no option ends them too: it begins a command line of its own.
 */
export function parseArgs<O extends Options>(
  options: O,
  args: readonly string[],
  { upToFirst = false }: { upToFirst?: boolean } = {},
): Parsed<O> {
  const values: Record<string, unknown> = {};
  const longOf = new Map<string, string>();
  for (const [name, option] of Object.entries(options)) {
    values[name] = option.initial;
    if (option.short !== null) longOf.set(option.short, name);
  }
  const rest: string[] = [];
  let at = 0;

  const take = (spelled: string, name: string | undefined, attached: string | null): void => {
    const option = name === undefined ? undefined : options[name];
    if (name === undefined || option === undefined) throw unknownOption(spelled, options);
    let given = "";
    if (option.value !== null) {
      const value = attached ?? args[at++];
      if (value === undefined) throw new UsageError(`option ${spelled} needs a value: ${spelled} ${option.value}`);
      given = value;
    } else if (attached !== null) throw new UsageError(`option ${spelled} takes no value`);
    try {
      values[name] = option.take(values[name], given);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`option ${spelled}: ${error.message}`);
    }
  };

  while (at < args.length) {
    const argument = args[at++] as string;
    if (argument === "--") break;
    if (argument.startsWith("--")) {
      const equals = argument.indexOf("=");
      const spelled = equals < 0 ? argument : argument.slice(0, equals);
      const name = spelled.slice(2);
      take(spelled, Object.hasOwn(options, name) ? name : undefined, equals < 0 ? null : argument.slice(equals + 1));
    } else if (argument.startsWith("-") && argument !== "-") {
      takeShort(argument.slice(1));
    } else {
      rest.push(argument);
      if (upToFirst) break;
    }
  }
  rest.push(...args.slice(at));
  return { values: values as Values<O>, rest };

  function takeShort(letters: string): void {
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i] as string;
      const name = longOf.get(letter);
      const takesValue = name !== undefined && options[name]?.value !== null;
      const attached = takesValue && i + 1 < letters.length ? letters.slice(i + 1).replace(/^=/, "") : null;
      take(`-${letter}`, name, attached);
      if (takesValue) return;
    }
  }
}

function unknownOption(spelled: string, options: Options): UsageError {
  const close = Object.keys(options).find((name) => spelled.length > 3 && name.startsWith(spelled.slice(2)));
  return new UsageError(`unknown option ${spelled}${close === undefined ? "" : `: did you mean --${close}?`}`);
}
