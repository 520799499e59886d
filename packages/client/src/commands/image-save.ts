import { isTerminal, stdout } from "@berth/host";
import { type Output, openOutput } from "../attach/output-file.ts";
import { flag, list, text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { UsageError } from "../cli/usage-error.ts";
import { printable } from "../print/table.ts";
import { TransferProgress } from "../print/transfer-progress.ts";
import { expectNames } from "../session/each.ts";

export const imageSave = command({
  name: "image save",
  summary: "Write images to an archive",
  usage: "IMAGE…",
  notes:
    "The archive is an OCI layout, and what docker load takes. The same images give the same bytes. A file is there once it is whole.",
  options: {
    output: text("the file to write [stdout]", { short: "o", value: "FILE" }),
    platform: list("the image for another machine, or for several [this one]", { value: "OS/ARCH[/VARIANT]" }),
    "all-platforms": flag("for all machines that it is here for as a whole"),
  },
  async run(session, { output: given, platform, "all-platforms": allPlatforms }, names) {
    expectNames(names, "the image to save");
    const path = given === "-" ? "" : given;
    if (path === "" && isTerminal(stdout))
      throw new UsageError("stdout is a terminal: name a file with --output, or redirect it");
    if (allPlatforms && platform.length > 0) throw new UsageError("--platform and --all-platforms exclude each other");
    const answers = session.connection.api.engine.exportImages({ names, platforms: platform, allPlatforms });
    let output: Output | null = null;
    let progress: TransferProgress | null = null;
    try {
      for await (const { data, total, leftOut } of answers) {
        // Not before it is known that there is something to write.
        if (output === null) {
          output = openOutput(path);
          if (session.errorIsTerminal)
            progress = new TransferProgress(names.join(", "), total, session.printError, session.now);
          for (const one of leftOut)
            session.printError(`berth: left out, as not all of it is here: ${printable(one)}\n`);
        }
        await output.write(data);
        progress?.add(data.length);
      }
      output?.done();
    } finally {
      progress?.clear();
      output?.[Symbol.dispose]();
    }
    return 0;
  },
});

export const save: typeof imageSave = { ...imageSave, name: "save", summary: "Write images to an archive: image save" };
