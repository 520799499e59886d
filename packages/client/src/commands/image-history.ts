import type { HistoryStep } from "@berth/proto/berth/v1";
import { flag, text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { formatAgo } from "../cli/duration.ts";
import { formatSize } from "../cli/size.ts";
import { UsageError } from "../cli/usage-error.ts";
import { layoutTable } from "../print/table.ts";

export const imageHistory = command({
  name: "image history",
  summary: "Show the steps that made an image, the newest first",
  usage: "IMAGE",
  notes: "SIZE is that of the layer as it is stored, mostly compressed. Steps that changed no file have none.",
  options: {
    platform: text("of the image for another machine [this one]", { value: "OS/ARCH[/VARIANT]" }),
    "no-trunc": flag("do not shorten what the steps did"),
    json: flag("one JSON object a line"),
  },
  async run(session, { platform, json, "no-trunc": isWhole }, [name, ...more]) {
    if (name === undefined) throw new UsageError("the image is missing");
    if (more.length > 0)
      throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: history takes one image`);
    const steps: HistoryStep[] = [];
    for await (const part of session.connection.api.engine.imageHistory({ name, platform })) steps.push(...part.steps);
    if (json) session.print(steps.map((step) => `${JSON.stringify(jsonOf(step))}\n`).join(""));
    else session.print(tableOf(steps, session.now(), isWhole ? null : session.outWidth));
    return 0;
  },
});

const jsonOf = ({ created, createdBy, comment, digest, size }: HistoryStep): object => ({
  created: created || null,
  createdBy,
  comment,
  layer: digest === "" ? null : { digest, size },
});

function tableOf(steps: readonly HistoryStep[], now: number, width: number | null): string {
  const rows = steps.map(({ created, createdBy, comment, digest, size }) => [
    ageOf(created, now),
    onOneLine(createdBy),
    digest === "" ? "" : formatSize(size),
    onOneLine(comment),
  ]);
  return layoutTable(["CREATED", "CREATED BY", "SIZE", "COMMENT"], rows, {
    width,
    flexible: ["CREATED BY", "COMMENT"],
  });
}

/** Reproducible builds date everything at the epoch, which says nothing; what is no time is shown as it is. */
function ageOf(created: string, now: number): string {
  // More than milliseconds is more than ECMAScript promises to read.
  const at = Date.parse(created.replace(/(\.\d{3})\d+/, "$1"));
  if (Number.isNaN(at)) return created;
  return at <= 0 ? "" : formatAgo(at, now);
}

const onOneLine = (given: string): string => given.trim().replace(/\s+/g, " ");
