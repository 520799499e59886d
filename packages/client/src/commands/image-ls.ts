import { isSet, toDate } from "@berth/proto";
import type { Image } from "@berth/proto/containerd/services/images/v1";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { formatAgo } from "../cli/duration.ts";
import { jsonTime } from "../print/json.ts";
import { layoutTable } from "../print/table.ts";

export const imageLs = command({
  name: "image ls",
  summary: "List images",
  usage: "[FILTER…]",
  options: {
    quiet: flag("names only", { short: "q" }),
    json: flag("one JSON object a line"),
  },
  async run(session, { quiet, json }, filters) {
    const images: Image[] = [];
    for await (const part of session.connection.api.engine.listImages({ filters })) images.push(...part.images);
    images.sort((a, b) => (a.name < b.name ? -1 : 1));
    if (json) session.print(images.map((image) => `${JSON.stringify(jsonOf(image))}\n`).join(""));
    else if (quiet) session.print(images.map(({ name }) => `${name}\n`).join(""));
    else session.print(tableOf(images, session.now(), session.outWidth));
    return 0;
  },
});

const jsonOf = (image: Image): object => ({
  name: image.name,
  mediaType: image.target?.mediaType ?? null,
  digest: image.target?.digest ?? null,
  size: image.target?.size ?? null,
  createdAt: jsonTime(image.createdAt),
  updatedAt: jsonTime(image.updatedAt),
  labels: image.labels,
});

function tableOf(images: readonly Image[], now: number, width: number | null): string {
  const rows = images.map(({ name, target, updatedAt }) => [
    name,
    target?.digest.slice(0, "sha256:".length + 12) ?? "",
    isSet(updatedAt) ? formatAgo(toDate(updatedAt).getTime(), now) : "",
  ]);
  return layoutTable(["NAME", "DIGEST", "UPDATED"], rows, { width, flexible: ["NAME"] });
}
