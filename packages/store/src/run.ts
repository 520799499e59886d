import { execFile } from "node:child_process";
import { internalError } from "@berth/base";
import { noSpace } from "./full-disk.ts";

/** Runs a program of the system that writes to the directory; throws with what it said where it fails. */
export function run(program: string, args: readonly string[], directory: string, doing: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { encoding: "utf8", maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const said = stderr.trim().split("\n")[0] || error.message;
      if (/no space left|quota exceeded/i.test(stderr)) return reject(noSpace(directory, `while ${doing}`, error));
      reject(internalError(`${doing} failed: ${said}`, { cause: error }));
    });
  });
}
