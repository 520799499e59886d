import { createHash } from "node:crypto";
import { posix } from "node:path";
import { failedPrecondition, invalidArgument } from "@berth/base";
import type { ContentBatch } from "@berth/store";
import { bytesOf } from "./blobs.ts";
import { MAX_DOCUMENT, parseBounded, tooLong } from "./bounded-json.ts";
import { type ArchiveMember, tarMembers } from "./tar-stream.ts";

/** Members of any kind. */
const MAX_MEMBERS = 20_000;
/** Blobs that are stored, each of which costs 3 to 5 ms: an image of 500 layers has 502. */
const MAX_STORED = 1_000;
/** Members up to this size wait in memory until something names them: most archives of very many have only such. */
const SMALL = 64 << 10;
const MAX_WAITING = 16 << 20;

/** A file of an archive. */
export interface ArchiveBlob {
  readonly digest: string;
  readonly size: number;
}

/** What an archive held: documents by name, and every other file. */
export interface ArchiveContents {
  readonly documents: ReadonlyMap<string, unknown>;
  /** By the name in the archive, links followed. */
  blob(name: string): ArchiveBlob | null;
  /** Has the store know these blobs of the archive. One that the archive has not is no error. */
  keep(digests: Iterable<string>): Promise<void>;
  /** The same for a document of our own making. */
  add(name: string, document: object): Promise<ArchiveBlob>;
}

const documentNames = new Set(["index.json", "manifest.json", "oci-layout"]);
/** Of docker's archives: nothing that an image is made of. */
const skipped = new Set(["VERSION", "json", "repositories"]);

/** What file managers and other tools leave in a directory that is made an archive of. */
const isStranger = (name: string): boolean => {
  const base = posix.basename(name);
  return base.startsWith("._") || base === ".DS_Store" || skipped.has(base);
};

/** Takes an archive's tar in one pass; all but small blobs go to the content store as they come. */
export async function readArchive(
  batch: ContentBatch,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ArchiveContents> {
  // Only the last of a name counts, and only that is parsed.
  const unparsed = new Map<string, Uint8Array>();
  const blobs = new Map<string, ArchiveBlob>();
  const links = new Map<string, string>();
  const waiting = new Map<string, Uint8Array>();
  let members = 0;
  let stored = 0;
  let waitingBytes = 0;

  const write = (name: string, expected: string, body: AsyncIterable<Uint8Array>) => {
    if (++stored > MAX_STORED)
      throw invalidArgument(`the archive has more than ${MAX_STORED} blobs: import its images one by one`);
    return batch.add({ name, expected, body });
  };

  for await (const entry of tarMembers(tar, signal)) {
    const { member } = entry;
    const name = memberName(member.name);
    if (++members > MAX_MEMBERS) throw invalidArgument(`the archive has more than ${MAX_MEMBERS} members`);
    if (isStranger(name)) continue;
    if (member.type === "symlink") links.set(name, posix.join(posix.dirname(name), member.link));
    else if (member.type === "hardlink") links.set(name, memberName(member.link));
    if (member.type !== "file") continue;
    if (documentNames.has(name)) {
      if (member.size > MAX_DOCUMENT) throw tooLong(`the archive's ${name}`, member.size);
      unparsed.set(name, await wholeBody(entry));
      continue;
    }
    const hex = /^blobs\/sha256\/([a-f0-9]{64})$/.exec(name)?.[1];
    // A layout's blobs under other digests, which nothing here can refer to.
    if (hex === undefined && (name.startsWith("blobs/") || unparsed.has("oci-layout"))) continue;
    const expected = hex === undefined ? "" : `sha256:${hex}`;
    const title = `the archive's member ${JSON.stringify(name)}`;
    if (member.size > SMALL || waitingBytes + member.size > MAX_WAITING) {
      blobs.set(name, await write(title, expected, entry.body()));
      continue;
    }
    const bytes = await wholeBody(entry);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (expected !== "" && digest !== expected)
      throw failedPrecondition(`${title} has the digest ${digest}, not ${expected}: the archive is damaged`);
    waitingBytes += bytes.length;
    waiting.set(digest, bytes);
    blobs.set(name, { digest, size: bytes.length });
  }

  const documents = new Map<string, unknown>();
  for (const [name, bytes] of unparsed) documents.set(name, await parseBounded(bytes, `the archive's ${name}`));
  return {
    documents,
    async keep(digests) {
      for (const digest of digests) {
        const bytes = waiting.get(digest);
        if (bytes === undefined) continue;
        waiting.delete(digest);
        await write(`blob ${digest}`, digest, bytesOf(bytes));
      }
      await batch.commit();
    },
    add: (name, document) => batch.add({ name, expected: "", body: bytesOf(Buffer.from(JSON.stringify(document))) }),
    blob(name) {
      let at = posix.normalize(name);
      // docker save links equal layers to each other; a chain of links ends, a ring does not.
      for (let hops = 0; hops < 8; hops++) {
        const found = blobs.get(at);
        if (found !== undefined) return found;
        const next = links.get(at);
        if (next === undefined) return null;
        at = next;
      }
      return null;
    },
  };
}

/** The name without `./`; names that lead out of the archive are refused. */
function memberName(name: string): string {
  const clean = posix.normalize(name).replace(/^\/+/, "");
  if (clean === ".." || clean.startsWith("../"))
    throw invalidArgument(`the archive's member ${JSON.stringify(name.slice(0, 300))} leads out of the archive`);
  return clean;
}

async function wholeBody({ body }: ArchiveMember): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of body()) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}
