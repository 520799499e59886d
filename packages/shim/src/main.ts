// containerd-shim-berth-v2: keeps one container, or the containers of one group.
import { messageOf } from "@berth/base";
import { argv, cwd, exit, print, printError, stdout, write } from "@berth/host";
import { deleteCommand } from "./delete-command.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { holdCommand } from "./hold-command.ts";
import { infoCommand, versionText } from "./info-command.ts";
import { createLogger } from "./logger.ts";
import { basename } from "./paths.ts";
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

function main(flags: Flags): void {
  if (flags.version) {
    print(versionText(program));
    exit(0);
  }
  if (flags.info) {
    void answer(infoCommand(readStdin()));
    return;
  }
  if (flags.action === "start") startCommand(flags, cwd());
  else if (flags.action === "hold") holdCommand(flags.rest[0] ?? "", flags.rest[1] ?? "", () => exit(0));
  else if (flags.action === "delete") void answer(deleteCommand(flags, cwd(), createLogger(printError, flags.debug)));
  else
    fail(
      `${flags.action === "" ? "no command" : `unknown command ${JSON.stringify(flags.action)}`}: use start or delete`,
    );
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

try {
  main(flagsOrEnd());
} catch (error) {
  fail(error);
}
