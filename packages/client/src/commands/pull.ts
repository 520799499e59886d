import { flag, list, text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { UsageError } from "../cli/usage-error.ts";
import { displayOf } from "../print/pull-display.ts";
import { pullCredentials } from "../registry/pull-credentials.ts";
import { pullImage } from "../registry/transfer.ts";
import { modeOf, progressOptions } from "./progress-options.ts";

export const pull = command({
  name: "pull",
  summary: "Fetch an image from its registry",
  usage: "IMAGE",
  notes:
    "Prints the image's full name. What was fetched before an interruption is kept for a day, and gone on with. Which servers are asked says hosts.toml (berth registry explain), and who asks berth login.",
  options: {
    platform: list("pull the image for another machine; the first one is unpacked [this one]", {
      value: "OS/ARCH[/VARIANT]",
    }),
    "all-platforms": flag("pull it for all machines that there are"),
    snapshotter: text("what to unpack into", { value: "NAME" }),
    "no-unpack": flag("fetch only"),
    ...progressOptions("print only the name"),
  },
  async run(session, values, [reference, ...more]) {
    if (reference === undefined) throw new UsageError("the image to pull is missing");
    if (more.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: pull takes one image`);
    const mode = modeOf(values);
    const display = displayOf(session, reference, mode);
    const wanted = {
      reference,
      platforms: values.platform,
      allPlatforms: values["all-platforms"],
      snapshotter: values.snapshotter,
      noUnpack: values["no-unpack"],
    };
    const { name, digest } = await pullImage(session, wanted, display, pullCredentials(session, reference));
    display.done(name, digest);
    if (mode !== "json") session.print(`${name}\n`);
    return exitCodes.ok;
  },
});
