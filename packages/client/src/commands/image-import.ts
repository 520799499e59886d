import { messageOf } from "@berth/base";
import { type Fd, O, open, read, stat, stdin } from "@berth/host";
import type { Init } from "@berth/proto";
import type { ImportImageRequest } from "@berth/proto/berth/v1";
import { ownDescription } from "../attach/own-description.ts";
import { readable } from "../attach/readable.ts";
import { text } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { UsageError } from "../cli/usage-error.ts";
import { TransferProgress } from "../print/transfer-progress.ts";
import type { Session } from "../session/session.ts";

const CHUNK = 1 << 16;

export const imageImport = command({
  name: "image import",
  summary: "Take images from an archive: an OCI layout or docker save, plain or compressed",
  usage: "FILE|-",
  options: {
    name: text("what to call an image that the archive leaves unnamed", { value: "NAME" }),
    snapshotter: text("what to unpack into", { value: "NAME" }),
  },
  async run(session, { name, snapshotter }, [file, ...more]) {
    if (file === undefined) throw new UsageError("the archive is missing: name a file, or - for stdin");
    if (more.length > 0)
      throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: import takes one archive`);
    return await importArchive(session, file, { name, snapshotter });
  },
});

/** Sends an archive, `-` for stdin, and prints the names of its images. Throws UsageError for what cannot be read. */
export async function importArchive(
  session: Session,
  file: string,
  options: { readonly name: string; readonly snapshotter: string },
): Promise<number> {
  const { engine } = session.connection.api;
  const { fd, size } = openArchive(file);
  const shown = file === "-" ? "stdin" : file.slice(file.lastIndexOf("/") + 1);
  const progress = session.errorIsTerminal ? new TransferProgress(shown, size, session.printError, session.now) : null;
  try {
    const { images } = await engine.importImage(requests(fd, options, progress));
    progress?.clear();
    for (const image of images) session.print(`${image.name}\n`);
  } catch (error) {
    progress?.clear();
    throw error;
  }
  return 0;
}

function openArchive(file: string): { fd: Fd; size: number | null } {
  if (file === "-") return { fd: ownDescription(stdin, O.RDONLY), size: null };
  const found = stat(file);
  if (found === null) throw new UsageError(`archive ${JSON.stringify(file)}: no such file`);
  if (found.kind === "directory")
    throw new UsageError(`archive ${JSON.stringify(file)} is a directory: name a tar file`);
  try {
    return { fd: open(file, O.RDONLY), size: found.kind === "file" ? found.size : null };
  } catch (error) {
    throw new UsageError(`archive ${JSON.stringify(file)}: ${messageOf(error)}`);
  }
}

async function* requests(
  fd: Fd,
  first: { name: string; snapshotter: string },
  progress: TransferProgress | null,
): AsyncGenerator<Init<ImportImageRequest>> {
  yield first;
  for (;;) {
    const data = read(fd, CHUNK);
    if (data === null) await readable(fd);
    else if (data.length === 0) break;
    else {
      progress?.add(data.length);
      yield { data };
    }
  }
  progress?.unpacking();
}
