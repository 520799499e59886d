import { createTarReader, dataLoss, paddedSize, resourceExhausted, TAR_BLOCK } from "@berth/base";
import { credentials, dropCapabilities, O, open, read } from "@berth/host";
import { detectCompression, startDecompressor } from "./compression.ts";
import type { ApplyJob } from "./job.ts";
import { createLayerWriter, type LayerWriter } from "./layer.ts";
import { checkWritable, openMounts } from "./mounts.ts";
import { Root } from "./root.ts";
import { byteSum, HashedStream, tree } from "./tree.ts";

/** What a member's owner, mode, device and file capabilities need, and nothing else. */
const NEEDED = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP"];

export interface Applied {
  /** Of the uncompressed tar. */
  readonly digest: string;
  readonly size: number;
  /** Extended attributes that were left out. */
  readonly ignored: readonly string[];
}

/** The stream ended before the tar did. */
class Truncated extends Error {}

/**
 * Applies a layer. The order matters: everything that needs a path of the machine is opened first, then the process
 * locks itself into the root (openat2 resolves in it, and it is chroot besides) and gives up what it does not need;
 * the first byte of the tar is read after that.
 */
export function apply(job: ApplyJob): Applied {
  checkWritable(job.mounts);
  const compression = detectCompression(firstBytes(job.blob), job.name);
  using blob = open(job.blob, O.RDONLY);
  const filter = compression === "none" ? null : startDecompressor(compression, blob, job.name);
  using root = new Root(openMounts(job.mounts, job.mountPoint));
  confine(root);

  using stream = new HashedStream(filter?.fd ?? blob);
  const writer = createLayerWriter(root);
  try {
    readTar(stream, writer, job.maxBytes);
  } catch (error) {
    if (!(error instanceof Truncated)) throw error;
    // A damaged blob ends early: the decompressor knows better what is wrong with it.
    filter?.end();
    throw dataLoss(`layer ${job.name} is truncated: the tar ends in the middle of ${error.message}`);
  }
  filter?.end();
  writer.finish();
  root.forget();
  // One call for the whole filesystem instead of an fsync for each file: the snapshot is named durably (SQLite)
  // right after this, and must not be there with its files missing when the power goes.
  if (job.sync) tree.sync(root.fd);
  return { digest: `sha256:${stream.sum()}`, size: stream.total, ignored: [...writer.ignored].sort() };
}

function firstBytes(path: string): Uint8Array {
  using probe = open(path, O.RDONLY);
  return read(probe, 16) ?? new Uint8Array();
}

function confine(root: Root): void {
  if (credentials().uid !== 0) return;
  tree.confine(root.fd);
  dropCapabilities(NEEDED);
}

/** Reads the tar to the end of the stream: the digest is of all of it, whatever lies behind the last member. */
function readTar(stream: HashedStream, writer: LayerWriter, maxBytes: number): void {
  const reader = createTarReader(byteSum);
  const block = new Uint8Array(TAR_BLOCK);
  let last = "its first header";
  const checkSize = (): void => {
    if (maxBytes > 0 && stream.total > maxBytes)
      throw resourceExhausted(`the layer has more than ${maxBytes} bytes when it is uncompressed`);
  };
  for (let zeros = 0; zeros < 2; ) {
    const length = stream.read(block);
    // Some writers leave out the two blocks of zeros at the end; Go's reader does not ask for them either.
    if (length === 0) break;
    if (length < TAR_BLOCK) throw new Truncated(last);
    const step = reader.header(block);
    if (step.at === "zeros") {
      zeros++;
      continue;
    }
    zeros = 0;
    checkSize();
    if (step.at === "extension") {
      const body = new Uint8Array(paddedSize(step.size));
      if (stream.read(body) < body.length) throw new Truncated(`the extended header after ${last}`);
      reader.extension(body.subarray(0, step.size));
      continue;
    }
    const { member } = step;
    last = `member ${JSON.stringify(member.name)}`;
    if (maxBytes > 0 && stream.total + member.size > maxBytes + TAR_BLOCK)
      throw resourceExhausted(`the layer has more than ${maxBytes} bytes when it is uncompressed`);
    if (!writer.add(member, stream)) throw new Truncated(last);
    const padding = paddedSize(member.size) - member.size;
    if (stream.copyTo(null, padding) < padding) throw new Truncated(last);
  }
  while (stream.copyTo(null, 1 << 24) > 0) checkSize();
}
