// Pulls and pushes of the transfer service.
import { normalizeReference, unimplemented } from "@berth/base";
import { follow } from "@berth/engine";
import { type CredentialsFor, namesFor, type PullProgress, type RegistryWishes } from "@berth/images";
import { HTTPDebug, type ImageStore, type OCIRegistry } from "@berth/proto/containerd/types/transfer";
import { credentialsOver } from "./auth-stream.ts";
import { namingOf, platformsOf, unpacksOf } from "./image-store.ts";
import { createTeller, type Teller } from "./progress.ts";
import type { Transferring } from "./transfer.ts";

export async function pull(work: Transferring, from: OCIRegistry, to: ImageStore): Promise<void> {
  const { deps, call } = work;
  const { reference } = from;
  const server = `OCI Registry (${reference})`;
  const naming = namingOf(to);
  namesFor(naming, ""); // refused before anything is fetched
  const teller = createTeller(work.progress, "downloading");
  const pulling = deps.images.pull(call, {
    ...accessOf(work, from),
    reference,
    platforms: platformsOf(to.platforms),
    unpacks: unpacksOf(deps, call.namespace, to.unpacks),
    allMetadata: to.allMetadata,
    manifestLimit: to.manifestLimit,
    naming,
    signal: call.signal,
  });
  pulling.image.catch(() => {}); // seen below
  await teller.tell(`Resolving from ${server}`);
  const { target } = await untilDone(teller, reference, pulling.progress, pulling.image, async () => {
    await teller.tell(`Pulling from ${server}`);
    await teller.tell("fetching image content", reference);
  });
  for (const name of namesFor(naming, target.digest)) await teller.tell("saved", name, target);
  await teller.tell(`Completed pull from ${server}`);
}

export async function push(work: Transferring, from: ImageStore, to: OCIRegistry): Promise<void> {
  const { deps, call } = work;
  const server = `OCI Registry (${to.reference})`;
  const { name, target } = deps.store.images.get(call, from.name);
  const teller = createTeller(work.progress, "uploading");
  const pushing = deps.images.push(call, {
    ...accessOf(work, to),
    name,
    target,
    reference: normalizeReference(to.reference),
    platforms: from.platforms,
    signal: call.signal,
  });
  pushing.digest.catch(() => {}); // seen below
  await teller.tell(`Pushing to ${server}`);
  await teller.tell("pushing content", name, target);
  await untilDone(teller, name, pushing.progress, pushing.digest, async () => {});
  await teller.tell("pushed content", name, target);
  await teller.tell(`Completed push to ${server}`, "", target);
}

/** Tells of the parts until all is done. `onResolved` is called once, before the first of them. */
async function untilDone<T>(
  teller: Teller,
  root: string,
  progress: () => PullProgress,
  outcome: Promise<T>,
  onResolved: () => Promise<void>,
): Promise<T> {
  let isResolved = false;
  for await (const told of follow(progress, outcome)) {
    if ("outcome" in told) break;
    if (!isResolved && told.progress.parts.length > 0) {
      isResolved = true;
      await onResolved();
    }
    await teller.tellParts(root, told.progress);
  }
  return await outcome;
}

/** How the registry is spoken to. Throws unimplemented for what is not done for clients: to dump requests. */
function accessOf(
  { take }: Transferring,
  { reference, resolver }: OCIRegistry,
): { readonly credentialsFor: CredentialsFor; readonly registry: RegistryWishes } {
  const { authStream = "", headers = {}, hostDir = "", defaultScheme = "", httpDebug } = resolver ?? {};
  if (httpDebug !== undefined && httpDebug !== HTTPDebug.DISABLED)
    throw unimplemented("requests to registries are not dumped for clients: leave http_debug out");
  if (defaultScheme !== "" && defaultScheme !== "http" && defaultScheme !== "https")
    throw unimplemented(`registries are spoken to by http or https, not by ${JSON.stringify(defaultScheme)}`);
  return {
    credentialsFor: authStream === "" ? async () => null : credentialsOver(take(authStream), reference),
    registry: { headers, hostDirectory: hostDir, scheme: defaultScheme },
  };
}
