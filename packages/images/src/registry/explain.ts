// What is known of the servers that an image is asked from, and what they say when they are asked.
import { messageOf, normalizeReference, parseReference } from "@berth/base";
import type { CredentialsFor } from "./authorizer.ts";
import type { RepositoryOptions } from "./connections.ts";
import { defaultFailOver } from "./fail-over.ts";
import { type Explanation, noWishes, type RegistryWishes } from "./hosts/settings.ts";
import { openRepository } from "./repository.ts";
import type { Endpoint } from "./types.ts";

/** How registries are found and spoken to. */
export interface RegistryDeps extends Omit<RepositoryOptions, "endpointsOf" | "credentialsFor"> {
  readonly explain: (registry: string, wishes: RegistryWishes) => Promise<Explanation>;
}

export interface EndpointReport {
  readonly endpoint: Endpoint;
  /** What it has said in place of the image; "" where it has it, or was not asked. */
  readonly failure: string;
  /** What the reference means there; "" where it was not asked. */
  readonly digest: string;
}

export interface ReferenceReport {
  /** In full. */
  readonly reference: string;
  readonly endpoints: readonly EndpointReport[];
  readonly warnings: readonly string[];
}

/** Null: nobody is asked. Otherwise every endpoint is, once. */
export type Check = { readonly credentialsFor: CredentialsFor; readonly signal: AbortSignal } | null;

/** Throws invalid-argument for what is no reference, or is configured wrong. */
export async function explainReference(deps: RegistryDeps, wanted: string, check: Check): Promise<ReferenceReport> {
  const reference = normalizeReference(wanted);
  const { endpoints, warnings } = await deps.explain(parseReference(reference).domain, noWishes);
  const reports = endpoints.map(async (endpoint) => ({
    endpoint,
    ...(check === null ? { failure: "", digest: "" } : await ask(deps, endpoint, reference, check)),
  }));
  return { reference, endpoints: await Promise.all(reports), warnings };
}

async function ask(
  { explain: _, ...options }: RegistryDeps,
  endpoint: Endpoint,
  reference: string,
  { credentialsFor, signal }: NonNullable<Check>,
): Promise<{ failure: string; digest: string }> {
  const { domain, path, tag, digest } = parseReference(reference);
  const failOver = { ...defaultFailOver, rounds: 1 };
  const capabilities = new Set(endpoint.capabilities);
  if (!capabilities.has("resolve") && digest === "") return { failure: "it is not asked for tags", digest: "" };
  const endpointsOf = async () => [endpoint];
  await using repository = openRepository(domain, path, { ...options, failOver, endpointsOf, credentialsFor });
  try {
    const found =
      digest === "" ? await repository.resolve(tag, signal) : (await repository.document(digest, signal)).descriptor;
    return { failure: "", digest: found.digest };
  } catch (error) {
    signal.throwIfAborted();
    // What the sentence begins with, the reader knows.
    return { failure: messageOf(error).replace(/^.*? cannot be pulled: .*?: /, ""), digest: "" };
  }
}
