// What the program was called for. Only a shim that serves stays; the rest is of no use to it.
import { messageOf } from "@berth/base";
import { argv, cwd, exit, print, printError, stdout, write } from "@berth/host";
import { basename } from "../paths.ts";
import type { ServerConfig } from "../server.ts";
import { createLogger } from "../stdio/logger.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { readStdin } from "./read-stdin.ts";
import { startCommand } from "./start-command.ts";

const program = basename(argv[0] ?? "containerd-shim-berth-v2");

function fail(error: unknown, status = 1): never {
  printError(`${program}: ${messageOf(error)}\n`);
  exit(status);
}

function printBytes(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += Math.max(0, write(stdout, bytes.subarray(at)));
}

async function answer(bytes: Promise<Uint8Array>): Promise<void> {
  try {
    printBytes(await bytes);
  } catch (error) {
    fail(error);
  }
  exit(0);
}

async function carryOut(flags: Flags): Promise<ServerConfig | null> {
  if (flags.version) {
    print((await import("./info-command.ts")).versionText(program));
    exit(0);
  }
  if (flags.info) {
    const { infoCommand } = await import("./info-command.ts");
    await answer(infoCommand(readStdin()));
  } else if (flags.log !== "") {
    const { logCommand } = await import("./log-command.ts");
    const { logAt } = await import("../stdio/stdio-target.ts");
    await logCommand(logAt(flags.log, flags.maxSize, flags.maxFile), createLogger(printError, flags.debug));
  } else if (flags.action === "start") return startCommand(flags, cwd());
  else if (flags.action === "hold") {
    const { holdCommand } = await import("./hold-command.ts");
    holdCommand(flags.rest[0] ?? "", flags.rest[1] ?? "", () => exit(0));
  } else if (flags.action === "delete") {
    const { deleteCommand } = await import("./delete-command.ts");
    await answer(deleteCommand(flags, cwd(), createLogger(printError, flags.debug)));
  } else
    fail(
      `${flags.action === "" ? "no command" : `unknown command ${JSON.stringify(flags.action)}`}: use start or delete`,
    );
  return null;
}

/** As Go's flag package ends. */
const WRONG_USAGE = 2;

function flagsOrEnd(): Flags {
  try {
    return parseFlags(argv.slice(1));
  } catch (error) {
    fail(error, WRONG_USAGE);
  }
}

/** What to serve, in the process that is to be the shim; else null, and the program ends when it has nothing more to do. */
export async function runCommand(): Promise<ServerConfig | null> {
  try {
    return await carryOut(flagsOrEnd());
  } catch (error) {
    fail(error);
  }
}
