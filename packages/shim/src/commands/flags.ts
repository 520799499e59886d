// The command line of a shim, in the syntax of Go's flag package: daemons build it, and people try it by hand.
import { invalidArgument } from "@berth/base";

export interface Flags {
  readonly debug: boolean;
  readonly version: boolean;
  readonly info: boolean;
  readonly namespace: string;
  readonly id: string;
  readonly bundle: string;
  readonly address: string;
  readonly socket: string;
  /** Where to listen for those who want to look inside; empty: where -debug says to, at the usual place. */
  readonly debugSocket: string;
  /** The log to write as a logger; empty: this is no logger. Its limits as given. */
  readonly log: string;
  readonly maxSize: string;
  readonly maxFile: string;
  /** `start`, `delete`, or empty. */
  readonly action: string;
  /** What stands behind the action. */
  readonly rest: readonly string[];
}

const switches: Readonly<Record<string, "debug" | "version" | "info">> = {
  debug: "debug",
  v: "version",
  version: "version",
  info: "info",
};

/** Flags with a value; those that map to null are accepted and not used. */
type ValueName = "namespace" | "id" | "bundle" | "address" | "socket" | "debugSocket" | "log" | "maxSize" | "maxFile";
const values: Readonly<Record<string, ValueName | null>> = {
  namespace: "namespace",
  id: "id",
  bundle: "bundle",
  address: "address",
  socket: "socket",
  "debug-socket": "debugSocket",
  "publish-binary": null,
  log: "log",
  "max-size": "maxSize",
  "max-file": "maxFile",
};

const truths = ["1", "t", "T", "true", "TRUE", "True"];
const falsehoods = ["0", "f", "F", "false", "FALSE", "False"];

function parseSwitch(name: string, value: string | null): boolean {
  if (value === null || truths.includes(value)) return true;
  if (falsehoods.includes(value)) return false;
  throw invalidArgument(`flag -${name} takes true or false, not ${JSON.stringify(value)}`);
}

/**
 * Parses the arguments behind the program's name: `-x`, `--x`, `-x=v` and `-x v`, up to `--` or the first word
 * that is no flag, which is the action. Throws invalid-argument for an unknown flag or a missing value.
 */
export function parseFlags(args: readonly string[]): Flags {
  const out = {
    debug: false,
    version: false,
    info: false,
    namespace: "",
    id: "",
    bundle: "",
    address: "",
    socket: "",
    debugSocket: "",
    log: "",
    maxSize: "0",
    maxFile: "1",
    action: "",
    rest: [] as readonly string[],
  };
  let at = 0;
  while (at < args.length) {
    const word = args[at] as string;
    if (word.length < 2 || word[0] !== "-") break;
    at++;
    if (word === "--") break;
    const body = word.slice(word[1] === "-" ? 2 : 1);
    const equals = body.indexOf("=");
    const name = equals < 0 ? body : body.slice(0, equals);
    let value = equals < 0 ? null : body.slice(equals + 1);
    const toggle = Object.hasOwn(switches, name) ? switches[name] : undefined;
    if (toggle !== undefined) {
      out[toggle] = parseSwitch(name, value);
      continue;
    }
    if (!Object.hasOwn(values, name)) throw invalidArgument(`flag provided but not defined: -${name}`);
    if (value === null) {
      if (at >= args.length) throw invalidArgument(`flag needs an argument: -${name}`);
      value = args[at++] as string;
    }
    const key = values[name];
    if (key) out[key] = value;
  }
  out.action = args[at] ?? "";
  out.rest = args.slice(at + 1);
  return out;
}
