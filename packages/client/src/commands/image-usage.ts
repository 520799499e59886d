import type { ImageSize } from "@berth/proto/berth/v1";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { formatSize } from "../cli/size.ts";
import { layoutTable } from "../print/table.ts";

export const imageUsage = command({
  name: "image usage",
  summary: "Show how much room images take",
  usage: "[IMAGE…]",
  notes:
    "BLOBS is what was fetched, SNAPSHOTS what that was unpacked to. SHARED is the part of both that other images have too, also the same image under another name; OWN is the rest. The total counts everything once.",
  options: { json: flag("one JSON object a line, in bytes; the one without a name is the total") },
  async run(session, { json }, names) {
    const sizes: ImageSize[] = [];
    let total: ImageSize | null = null;
    for await (const part of session.connection.api.engine.imageUsage({ names })) {
      sizes.push(...part.images);
      total = part.total ?? total;
    }
    const all = total === null ? sizes : [...sizes, total];
    if (json) session.print(all.map((size) => `${JSON.stringify({ ...size, name: size.name || null })}\n`).join(""));
    else session.print(tableOf(sizes.length === 1 ? sizes : all, session.outWidth));
    return 0;
  },
});

const tableOf = (sizes: readonly ImageSize[], width: number | null): string =>
  layoutTable(
    ["NAME", "BLOBS", "SNAPSHOTS", "SHARED", "OWN"],
    sizes.map(({ name, blobs, snapshots, shared, own }) => [
      name || "total",
      ...[blobs, snapshots, shared, own].map(formatSize),
    ]),
    { width, flexible: ["NAME"] },
  );
