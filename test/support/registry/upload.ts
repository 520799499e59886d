// Puts images into a registry that everybody may write to, with nothing between: also those that skopeo refuses.
import { readFileSync } from "node:fs";
import { type Asked, type AskOptions, ask } from "./ask.ts";
import type { Registry } from "./docker-registry.ts";
import type { Descriptor } from "./image-parts.ts";
import { blobPath, type Layout, namedBy } from "./layout.ts";

/** Puts the image, or all of an index, into the repository (distribution specification, "Push"). */
export async function upload(
  { dir, top }: Layout,
  { url, certificates }: Pick<Registry, "url" | "certificates">,
  repository: string,
  tag: string,
): Promise<void> {
  const base = `${url}/v2/${repository}`;
  const send = async (to: string, options: AskOptions): Promise<Asked> => {
    const answer = await ask(to, { ...options, certificates });
    if (answer.status >= 300) throw new Error(`${options.method} ${to}: ${answer.status} ${answer.body}`);
    return answer;
  };
  const putBlob = async ({ digest }: Descriptor): Promise<void> => {
    const { headers } = await send(`${base}/blobs/uploads/`, { method: "POST" });
    const location = new URL(headers.location ?? "", base);
    location.searchParams.set("digest", digest);
    await send(location.href, { method: "PUT", body: readFileSync(blobPath(dir, digest)) });
  };
  const putManifest = async (descriptor: Descriptor, reference: string): Promise<void> => {
    const { manifests, blobs } = namedBy(dir, descriptor);
    for (const child of manifests) await putManifest(child, child.digest);
    for (const blob of blobs) await putBlob(blob);
    const body = readFileSync(blobPath(dir, descriptor.digest));
    const headers = { "content-type": descriptor.mediaType };
    await send(`${base}/manifests/${reference}`, { method: "PUT", headers, body });
  };
  await putManifest(top, tag);
}
