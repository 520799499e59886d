import type { Options } from "./args.ts";
import type { AnyCommand } from "./command.ts";

/** Two columns; help that is too long for the line goes on below itself. */
function layoutPairs(pairs: readonly (readonly [string, string])[], width = 78): string {
  const left = Math.min(30, Math.max(...pairs.map(([term]) => term.length)));
  const lines: string[] = [];
  for (const [term, about] of pairs) {
    const wrapped = wrap(about, width - left - 4);
    if (term.length > left) lines.push(`  ${term}`, `  ${" ".repeat(left)}  ${wrapped[0]}`);
    else lines.push(`  ${term.padEnd(left)}  ${wrapped[0]}`);
    for (const line of wrapped.slice(1)) lines.push(`  ${" ".repeat(left)}  ${line}`);
  }
  return `${lines.join("\n")}\n`;
}

function wrap(given: string, width: number): string[] {
  const lines = [""];
  for (const word of given.split(" ")) {
    const last = lines[lines.length - 1] ?? "";
    if (last !== "" && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}

function optionPairs(options: Options): [string, string][] {
  return Object.entries(options).map(([name, option]) => {
    const short = option.short === null ? "    " : `-${option.short}, `;
    return [`${short}--${name}${option.value === null ? "" : ` ${option.value}`}`, option.help];
  });
}

/** What `berth COMMAND --help` says. */
export function commandHelp(command: AnyCommand): string {
  const options = optionPairs(command.options);
  return [
    `${command.summary}.\n\n`,
    `usage: berth ${[command.name, options.length > 0 ? "[OPTIONS]" : "", command.usage].filter(Boolean).join(" ")}\n`,
    options.length > 0 ? `\n${layoutPairs(options)}` : "",
    command.notes === ""
      ? ""
      : `\n${command.notes
          .split("\n")
          .flatMap((line) => (line.startsWith(" ") ? [line] : wrap(line, 78)))
          .join("\n")}\n`,
  ].join("");
}

/** What `berth --help` says. */
export function programHelp(commands: readonly AnyCommand[], globals: Options): string {
  return [
    "berth runs containers through berthd, the supervisor.\n\n",
    "usage: berth [OPTIONS] COMMAND …\n\n",
    layoutPairs(commands.map(({ name, summary }) => [name, lowerFirst(summary)])),
    `\n${layoutPairs(optionPairs(globals))}`,
    "\nberth COMMAND --help says more about a command.\n",
  ].join("");
}

const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1);
