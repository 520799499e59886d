import { confirm } from "../attach/confirm.ts";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { formatSize } from "../cli/size.ts";
import { expectNothing } from "../session/each.ts";

export const imagePrune = command({
  name: "image prune",
  summary: "Remove images that no container uses",
  usage: "",
  notes:
    "Without --all, images that have a name with a tag stay. Prints the names that were removed, and on stderr how much room came free.",
  options: {
    all: flag("also those that have a name", { short: "a" }),
    force: flag("do not ask", { short: "f" }),
  },
  async run(session, { all, force }, rest) {
    expectNothing(rest);
    const which = all ? "all images that no container uses" : "images without a name that no container uses";
    if (!force && !(await confirm(`remove ${which}`, "--force"))) {
      session.printError("berth: nothing was removed\n");
      return exitCodes.failed;
    }
    let count = 0;
    for await (const { removed, room } of session.connection.api.engine.pruneImages({ all })) {
      for (const name of removed) session.print(`${name}\n`);
      count += removed.length;
      if (room === null) continue;
      const images = count === 1 ? "1 image" : `${count} images`;
      session.printError(`berth: ${images} removed, ${formatSize(room.freed)} freed\n`);
    }
    return exitCodes.ok;
  },
});
