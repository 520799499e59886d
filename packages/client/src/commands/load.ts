import { isTerminal, stdin } from "@berth/host";
import { text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { UsageError } from "../cli/usage-error.ts";
import { expectNothing } from "../session/each.ts";
import { imageImport, importArchive } from "./image-import.ts";

export const load = command({
  name: "load",
  summary: "Take images from an archive on stdin, as image import does",
  usage: "",
  options: { input: text("the archive's file", { short: "i", value: "FILE" }), ...imageImport.options },
  async run(session, { input, name, snapshotter }, rest) {
    expectNothing(rest);
    if (input === "" && isTerminal(stdin))
      throw new UsageError("stdin is a terminal: name the archive with --input, or redirect it");
    return await importArchive(session, input || "-", { name, snapshotter });
  },
});
