// The program `berth`: argv to a command, its outcome to an exit code.

import { BerthError } from "@berth/base";
import {
  argv,
  env,
  isCode,
  isTerminal,
  monotonic,
  now,
  onUncaught,
  print,
  printError,
  stderr,
  stdout,
  terminalSize,
} from "@berth/host";
import { exitCodeOf, exitCodes } from "./cli/exit-code.ts";
import { type Globals, globalOptions, readInvocation } from "./cli/program.ts";
import { UsageError } from "./cli/usage-error.ts";
import { commands } from "./commands/index.ts";
import { clientVersion } from "./commands/version.ts";
import { sentenceOf } from "./print/sentence.ts";
import { Connection } from "./session/connection.ts";
import { leave } from "./session/leave.ts";
import { openLink } from "./session/open-link.ts";
import type { Session } from "./session/session.ts";
import { sleep } from "./session/sleep.ts";

// Its state is the whole program's: only a unit uses it, which could be evaluated twice.
export { startReaping } from "@berth/host";

const defaultAddress = "/run/berth/berth.sock";
/** As a shell reports a program that SIGPIPE ended. */
const brokenPipe = 141;

async function main(args: readonly string[]): Promise<number> {
  const invocation = await readInvocation(commands, args);
  if (invocation.kind === "help") {
    const { commandHelp, programHelp } = await import("./cli/help.ts");
    const all = async () => await Promise.all(commands.map((entry) => entry.load()));
    print(invocation.of === null ? programHelp(await all(), globalOptions) : commandHelp(invocation.of));
    return exitCodes.ok;
  }
  if (invocation.kind === "version") {
    print(`berth ${clientVersion}\n`);
    return exitCodes.ok;
  }
  const { command, globals, values, rest } = invocation;
  return await command.run(sessionOf(globals), values, rest);
}

function sessionOf(globals: Globals): Session {
  const address = (globals.address || env("BERTH_ADDRESS") || defaultAddress).replace(/^unix:\/\//, "");
  const namespace = globals.namespace || env("BERTH_NAMESPACE") || "default";
  const connection = new Connection({
    connect: () => openLink(address, namespace),
    sleep,
    now: monotonic,
    onLost: () => printError("berth: berthd has gone; waiting for it to come back\n"),
  });
  const outIsTerminal = isTerminal(stdout);
  return {
    address,
    namespace,
    connection,
    verify: async (host, login) => (await import("./registry/verify.ts")).verifyLogin(connection, host, login),
    print,
    printError,
    outIsTerminal,
    outWidth: (outIsTerminal && terminalSize(stdout).width) || null,
    errorIsTerminal: isTerminal(stderr),
    now,
  };
}

function failed(error: unknown): never {
  if (isCode(error, "EPIPE")) leave(brokenPipe);
  // Anything else than these two is a bug: the stack says where.
  const expected = error instanceof UsageError || error instanceof BerthError;
  const stack = !expected && error instanceof Error && env("BERTH_DEBUG") !== null ? `\n${error.stack ?? ""}` : "";
  printError(`berth: ${sentenceOf(error)}${stack}\n`);
  leave(exitCodeOf(error));
}

onUncaught(failed);
queueMicrotask(() => void main(argv.slice(1)).then(leave, failed)); // units are there once this part has been evaluated
