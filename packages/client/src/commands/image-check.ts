import type { CheckProgress, ImageCheck, ImageProblem } from "@berth/proto/berth/v1";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { formatSize } from "../cli/size.ts";
import { StatusLine } from "../print/status-line.ts";
import { printable } from "../print/table.ts";

export const imageCheck = command({
  name: "image check",
  summary: "Read all that images need and say what is damaged or missing",
  usage: "[IMAGE…]",
  notes:
    "Without names all images are checked. Ends with 1 if one of them is not complete. What is damaged is given to nobody from then on; importing its archive again, or pulling its image, mends it.",
  options: {
    repair: flag("mend what can be mended from what is on berthd's disk"),
    json: flag("one JSON object a line"),
  },
  async run(session, { repair, json }, names) {
    const status = session.errorIsTerminal ? new StatusLine(session.printError) : null;
    let code: number = exitCodes.ok;
    try {
      for await (const { progress, result } of session.connection.api.engine.checkImages({ names, repair })) {
        if (progress !== null) status?.show(progress.name, describe(progress));
        if (result === null) continue;
        status?.clear();
        session.print(json ? `${JSON.stringify(result)}\n` : report(result, repair));
        if (result.state !== "complete") code = exitCodes.failed;
      }
    } finally {
      status?.clear();
    }
    return code;
  },
});

const describe = ({ doneBytes, totalBytes }: CheckProgress): string =>
  `${formatSize(doneBytes)} of ${formatSize(totalBytes)}`;

/** A line for the image, and one for everything that is to be said of it. */
function report({ name, state, problems, repaired }: ImageCheck, repair: boolean): string {
  return [
    `${printable(name)}: ${state}`,
    ...repaired.map((problem) => `  repaired: ${sentence(problem)}`),
    ...problems.map((problem) => `  ${problem.state}: ${sentence(problem)}`),
    ...(problems.length === 0 ? [] : [`  ${remedy(problems, repair)}`]),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

const sentence = ({ what, id, why }: ImageProblem): string => `${what} ${id}: ${printable(why)}`;

const isSnapshot = ({ what }: ImageProblem): boolean => what.startsWith("snapshot ");

function remedy(problems: readonly ImageProblem[], repair: boolean): string {
  if (problems.every(isSnapshot))
    return repair ? "repair it again when nothing lies upon it" : "to mend it: berth image check --repair";
  const again = "berth image import ARCHIVE, with the archive that it came from, or pull it again";
  return repair
    ? `no copy is on berthd's disk; to mend it: ${again}`
    : `to mend it: berth image check --repair, or ${again}`;
}
