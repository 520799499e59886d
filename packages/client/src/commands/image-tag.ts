import { command } from "../cli/command.ts";
import { UsageError } from "../cli/usage-error.ts";
import { printable } from "../print/table.ts";

export const imageTag = command({
  name: "image tag",
  summary: "Give an image further names",
  usage: "SOURCE TARGET…",
  notes: "Prints the names in full. One that another image has is taken from it.",
  options: {},
  async run(session, _values, [source, ...targets]) {
    if (source === undefined) throw new UsageError("the image is missing: name it, and what else to call it");
    if (targets.length === 0) throw new UsageError(`the further name of ${JSON.stringify(source)} is missing`);
    const { images } = await session.connection.api.engine.tagImage({ source, targets });
    for (const { name, previous } of images) {
      if (previous !== "") session.printError(`berth: ${printable(name)} was ${previous} before\n`);
      session.print(`${name}\n`);
    }
    return 0;
  },
});

export const tag: typeof imageTag = { ...imageTag, name: "tag", summary: "Give an image further names: image tag" };
