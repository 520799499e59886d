// A registry that only serves: what a client pulls from, over plain HTTP.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Registry extends AsyncDisposable {
  /** HOST:PORT, for the names of its images. */
  readonly host: string;
  /** Blobs and manifests by digest. */
  readonly blobs: Map<string, Uint8Array>;
  /** Manifests by REPOSITORY:TAG. */
  readonly tags: Map<string, { readonly mediaType: string; readonly digest: string }>;
  /** Digests of the blobs that were fetched. */
  readonly fetched: string[];
}

/** Starts one without images (distribution specification, "Pull"). */
export async function startRegistry(): Promise<Registry> {
  const blobs: Registry["blobs"] = new Map();
  const tags: Registry["tags"] = new Map();
  const fetched: string[] = [];
  const server = createServer((request, response) => {
    const [, repository = "", kind = "", ref = ""] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? "") ?? [];
    const tag = tags.get(`${repository}:${ref}`);
    const digest = tag?.digest ?? ref;
    const bytes = blobs.get(digest);
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    const known = [...tags.values()].find((one) => one.digest === digest);
    response.setHeader("content-type", (kind === "manifests" && known?.mediaType) || "application/octet-stream");
    response.setHeader("content-length", bytes.length);
    response.setHeader("docker-content-digest", digest);
    if (request.method === "GET") fetched.push(digest);
    response.end(request.method === "HEAD" ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    tags,
    fetched,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
