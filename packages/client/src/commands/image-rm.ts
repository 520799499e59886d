import { isNotFound, normalizeReference } from "@berth/base";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { expectNames, forEachName } from "../session/each.ts";

export const imageRm = command({
  name: "image rm",
  summary: "Remove images",
  usage: "NAME…",
  options: { sync: flag("wait until what only they used is deleted") },
  run(session, { sync }, names) {
    expectNames(names, "the image to remove");
    const { images } = session.connection.api;
    return forEachName(session, names, async (name) => {
      try {
        await images.delete({ name, sync });
        return name;
      } catch (error) {
        const full = isNotFound(error) ? fullName(name) : null;
        if (full === null || full === name) throw error;
        await images.delete({ name: full, sync });
        return full;
      }
    });
  },
});

/** `busybox` is docker.io/library/busybox:latest; null for what is no reference (an image may have any name). */
function fullName(name: string): string | null {
  try {
    return normalizeReference(name);
  } catch {
    return null;
  }
}
