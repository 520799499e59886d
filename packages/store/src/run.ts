import { execFile } from "node:child_process";
import { internalError, resourceExhausted } from "@berth/base";

/** Runs a program of the system; throws with what it said where it fails. */
export function run(program: string, args: readonly string[], doing: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { encoding: "utf8", maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const said = stderr.trim().split("\n")[0] || error.message;
      if (/no space left|quota exceeded/i.test(stderr))
        return reject(resourceExhausted(`no space left on the disk while ${doing}: free some and try again`));
      reject(internalError(`${doing} failed: ${said}`, { cause: error }));
    });
  });
}
