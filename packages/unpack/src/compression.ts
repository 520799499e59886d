import { dataLoss, failedPrecondition, internalError, messageOf, unimplemented } from "@berth/base";
import { exists, type Fd, pipe, read, setNonblocking } from "@berth/host";
import { endFilter, startFilter } from "./tree.ts";

export type Compression = "none" | "gzip" | "zstd";

/** The first that is there is used: igzip (isa-l) is 2 to 3 times as fast as gzip. */
const programs: Readonly<Record<"gzip" | "zstd", readonly string[]>> = {
  gzip: ["/usr/bin/igzip", "/usr/bin/gzip", "/bin/gzip"],
  zstd: ["/usr/bin/zstd", "/bin/zstd"],
};
const compressors: Readonly<Record<"gzip" | "zstd", readonly string[]>> = {
  // igzip's output differs between processors; gzip's is the same everywhere.
  gzip: ["/usr/bin/gzip", "/bin/gzip"],
  zstd: programs.zstd,
};

const known: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
];

/**
 * Told by the first bytes, as containerd does, whatever the media type says.
 * Throws unimplemented for a known format that is not supported.
 */
export function detectCompression(head: Uint8Array, layer: string): Compression {
  // zstd may begin with a skippable frame (RFC 8878, 3.1.2).
  const skippable = ((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  const found = skippable ? "zstd" : known.find(([, magic]) => magic.every((byte, at) => head[at] === byte))?.[0];
  if (found === undefined) return "none";
  if (found === "gzip" || found === "zstd") return found;
  throw unimplemented(`layer ${layer} is compressed with ${found}, which is not supported: use gzip or zstd`);
}

/** A filter between a file and us. */
export interface Filter {
  /** Its output, or for a compressor its input. */
  readonly fd: Fd;
  /** Waits for its end. Throws data-loss with what the program said where it failed. */
  end(): void;
}

/** Uncompressed bytes of the blob, made by a child that has no privileges. */
export function startDecompressor(kind: "gzip" | "zstd", blob: Fd, layer: string): Filter {
  const program = programOf(kind, programs[kind]);
  const output = pipe();
  const errors = pipe();
  setNonblocking(errors.read);
  const pid = startFilter(program, "-dc", blob, output.write, errors.write);
  output.write.close();
  errors.write.close();
  return {
    fd: output.read,
    end() {
      output.read.close();
      const status = endFilter(pid);
      if (status === 0) return;
      const said = saidOn(errors.read);
      throw dataLoss(
        `layer ${layer} is not valid ${kind} data (${said === "" ? `${program} ended with ${status}` : said})`,
      );
    },
  };
}

/** Compresses what is written to `fd` into `target`. */
export function startCompressor(kind: "gzip" | "zstd", target: Fd): Filter {
  const program = programOf(kind, compressors[kind]);
  const input = pipe();
  const errors = pipe();
  setNonblocking(errors.read);
  const pid = startFilter(program, kind === "gzip" ? "-cn" : "-c", input.read, target, errors.write);
  input.read.close();
  errors.write.close();
  return {
    fd: input.write,
    end() {
      input.write.close();
      const status = endFilter(pid);
      if (status !== 0) throw internalError(`${program} ended with ${status}: ${saidOn(errors.read)}`);
    },
  };
}

function programOf(kind: string, candidates: readonly string[]): string {
  const found = candidates.find((candidate) => exists(candidate));
  if (found === undefined)
    throw failedPrecondition(`no program for ${kind} is installed (looked for ${candidates.join(", ")})`);
  return found;
}

function saidOn(fd: Fd): string {
  try {
    const bytes = read(fd, 2048) ?? new Uint8Array();
    return new TextDecoder().decode(bytes).trim().split("\n", 1)[0] ?? "";
  } catch (error) {
    return messageOf(error);
  } finally {
    fd.close();
  }
}
