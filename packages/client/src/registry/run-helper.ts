// Runs credential helpers.
import { findProgram, run, SystemError } from "@berth/host";
import { type AskHelper, answerOf, helperFailed } from "./credential-helper.ts";

/** A helper may wait for a person, at a keyring or a token: it is not cut off, but named. */
const SLOW_MS = 3000;
const SIGTERM = 15;

/** `tellWait` is told of a helper that takes long. */
export function askingHelpers(tellWait: (program: string) => void): AskHelper {
  return async (helper, verb, input) => {
    const path = findProgram(helper.program);
    if (path === null) throw helperFailed(helper, "is no program on PATH: install it, or take it out of that file");
    const slow = setTimeout(() => tellWait(helper.program), SLOW_MS);
    try {
      // An interrupt of the terminal's reaches both of us; any other end of ours, it shares.
      const ended = await run({ argv: [path, verb], input: encoder.encode(input), parentDeathSignal: SIGTERM });
      const [stdout, stderr] = [decoder.decode(ended.stdout), decoder.decode(ended.stderr)];
      return answerOf(helper, { status: ended.status, stdout, stderr });
    } catch (error) {
      throw error instanceof SystemError ? helperFailed(helper, `cannot be run: ${error.message}`) : error;
    } finally {
      clearTimeout(slow);
    }
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
