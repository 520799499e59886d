import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { invalidArgument } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { writeBlob } from "./blobs.ts";
import { MAX_DOCUMENT, tooLong } from "./documents.ts";
import { parseJsonValue } from "./json.ts";
import { type ArchiveMember, tarMembers } from "./tar-stream.ts";

/** Members of an archive that name what is in it; an image of a thousand layers has some three thousand. */
const MAX_FILES = 100_000;

/** What an archive held: documents by name, and every other file as a blob in the store. */
export interface ArchiveContents {
  readonly documents: ReadonlyMap<string, unknown>;
  /** By the name in the archive, links followed. */
  blob(name: string): { readonly digest: string; readonly size: number } | null;
}

const documentNames = new Set(["index.json", "manifest.json", "oci-layout"]);
/** Of docker's archives: nothing that an image is made of. */
const skipped = new Set(["VERSION", "json", "repositories"]);

/** Takes an archive's tar in one pass; blobs go to the content store as they come. */
export async function readArchive(
  store: Store,
  scope: Scope,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ArchiveContents> {
  const documents = new Map<string, unknown>();
  const blobs = new Map<string, { digest: string; size: number }>();
  const links = new Map<string, string>();
  const unique = `${Date.now()}-${randomBytes(4).toString("hex")}`;

  for await (const entry of tarMembers(tar, signal)) {
    const { member } = entry;
    const name = memberName(member.name);
    if (blobs.size + links.size >= MAX_FILES) throw invalidArgument(`the archive has more than ${MAX_FILES} files`);
    if (member.type === "symlink") links.set(name, posix.join(posix.dirname(name), member.link));
    else if (member.type === "hardlink") links.set(name, memberName(member.link));
    if (member.type !== "file" || skipped.has(posix.basename(name))) continue;
    if (documentNames.has(name)) {
      documents.set(name, await readDocumentMember(entry, name));
      continue;
    }
    const hex = /^blobs\/sha256\/([a-f0-9]{64})$/.exec(name)?.[1];
    if (hex === undefined && name.startsWith("blobs/"))
      throw invalidArgument(`the archive's member ${JSON.stringify(name)} is not named by a sha256 digest`);
    const blob = await writeBlob(store, scope, {
      ref: `import-${unique}-${blobs.size}`,
      name: `the archive's member ${JSON.stringify(name)}`,
      size: member.size,
      expected: hex === undefined ? "" : `sha256:${hex}`,
      body: entry.body(),
    });
    blobs.set(name, blob);
  }

  return {
    documents,
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

async function readDocumentMember({ member, body }: ArchiveMember, name: string): Promise<unknown> {
  if (member.size > MAX_DOCUMENT) throw tooLong(`the archive's ${name}`, member.size);
  const parts: Uint8Array[] = [];
  for await (const chunk of body()) parts.push(Uint8Array.from(chunk));
  return parseJsonValue(Buffer.concat(parts), `the archive's ${name}`);
}
