// What a login asks a person for, and the password that a script gives on stdin.
import { messageOf } from "@berth/base";
import { type Fd, isCode, isTerminal, O, onSignal, printError, read, stdin } from "@berth/host";
import { rawKeys } from "../attach/attached-terminal.ts";
import { ownDescription } from "../attach/own-description.ts";
import { readable } from "../attach/readable.ts";
import { UsageError } from "../cli/usage-error.ts";
import { leave } from "../session/leave.ts";
import { TypedLine } from "./typed-line.ts";
import { parseUser } from "./user-name.ts";

const CHUNK = 4096;
/** Longer than any token. */
const LONGEST_PASSWORD = 1 << 16;
const [SIGHUP, SIGINT, SIGQUIT, SIGTERM] = [1, 2, 3, 15];

/** User and password, as far as the user is not known, from a person at the terminal. Throws UsageError. */
export async function askLogin(knownUser: string): Promise<{ user: string; password: string }> {
  if (!isTerminal(stdin))
    throw new UsageError("stdin is no terminal to ask at: give --username, and the password with --password-stdin");
  // They end the program by themselves, but would leave the terminal as it is then.
  for (const signal of [SIGHUP, SIGINT, SIGQUIT, SIGTERM]) onSignal(signal, () => giveUp(signal));
  const from = ownDescription(stdin, O.RDONLY);
  const user = knownUser || parseUser(await ask(from, "user name: ", { hidden: false }));
  const password = await ask(from, `password of ${user}: `, { hidden: true });
  if (password === "") throw new UsageError("the password is empty");
  return { user, password };
}

/** All of stdin but a line break at its end. Throws UsageError. */
export async function passwordOnStdin(): Promise<string> {
  if (isTerminal(stdin))
    throw new UsageError("stdin is a terminal, which would show the password: leave out --password-stdin");
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    const from = ownDescription(stdin, O.RDONLY);
    let chunk = await nextBytes(from);
    while (chunk.length > 0 && text.length <= LONGEST_PASSWORD) {
      text += decoder.decode(chunk, { stream: true });
      chunk = await nextBytes(from);
    }
    text += decoder.decode();
  } catch (error) {
    throw new UsageError(`cannot read the password: ${messageOf(error)}: pipe it in as text`);
  }
  if (text.length > LONGEST_PASSWORD)
    throw new UsageError(`the password on stdin is longer than ${LONGEST_PASSWORD} characters`);
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw new UsageError("the password on stdin is empty");
  return password;
}

async function ask(from: Fd, question: string, { hidden }: { hidden: boolean }): Promise<string> {
  const raw = hidden ? rawKeys() : null;
  printError(question);
  const line = new TypedLine();
  let state = line.feed(await nextBytes(from));
  while (state === "open") state = line.feed(await nextBytes(from));
  if (state === "interrupt") giveUp(SIGINT);
  raw?.[Symbol.dispose]();
  if (hidden || state === "end") printError("\n"); // nothing else has ended that line
  return state === "end" ? "" : line.text;
}

/** Empty at the end. */
async function nextBytes(from: Fd): Promise<Uint8Array> {
  for (;;) {
    try {
      const chunk = read(from, CHUNK);
      if (chunk !== null) return chunk;
    } catch (error) {
      if (!isCode(error, "EIO")) throw error;
      return new Uint8Array(0); // the terminal has gone
    }
    await readable(from);
  }
}

function giveUp(signal: number): never {
  printError("\r\n");
  leave(128 + signal);
}
