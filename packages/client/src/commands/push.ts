// berth push: an image of this machine to a registry.
import { list } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { UsageError } from "../cli/usage-error.ts";
import { displayOf } from "../print/pull-display.ts";
import { pullCredentials } from "../registry/pull-credentials.ts";
import { pushImage } from "../registry/transfer.ts";
import { modeOf, progressOptions } from "./progress-options.ts";

export const push = command({
  name: "push",
  summary: "Send an image to a registry",
  usage: "IMAGE [REFERENCE]",
  notes:
    "Sends it where its own name says, or the other reference, and prints that with its digest. What the registry has is not sent again. An image with several platforms is sent with all of them, or, by --platform, without the others: under a digest of its own.",
  options: {
    platform: list("send only what is for this machine [all that it is for]", { value: "OS/ARCH[/VARIANT]" }),
    ...progressOptions("print only the reference"),
  },
  async run(session, values, [image, reference = "", ...more]) {
    if (image === undefined) throw new UsageError("the image to push is missing");
    if (more.length > 0)
      throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: push takes an image and a reference`);
    const to = reference || image;
    const mode = modeOf(values);
    const display = displayOf(session, to, mode, "push");
    const wanted = { image, reference, platforms: values.platform };
    const { name, digest } = await pushImage(session, wanted, display, pullCredentials(session, to));
    display.done(name, digest);
    if (mode !== "json") session.print(`${name.replace(/@.*/, "")}@${digest}\n`);
    return exitCodes.ok;
  },
});
