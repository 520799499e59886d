import { stat } from "node:fs/promises";
import { kindOf, type Log, messageOf } from "@berth/base";
import type { ImageRecord, Scope, Snapshotter, Store } from "@berth/store";
import { chainIds } from "./chain-id.ts";
import { type Part, partsOf, problemOf } from "./check-parts.ts";
import { labelChildren } from "./import-archive.ts";
import type { Platform } from "./platform.ts";
import { lackOf, type Resolved } from "./resolve.ts";
import type { CheckOptions, Differ, ImageCheck, ImageProblem } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";

/** Times that an image is looked at which is changed meanwhile. */
const TRIES = 3;
/** Problems that are told of one image. */
const MAX_TOLD = 1_000;

interface Parts {
  readonly store: Store;
  readonly differ: Differ;
  readonly log: Log;
  readonly platform: Platform;
}

/** Verifies all that an image needs and has unpacked. null if it is removed meanwhile. */
export async function checkImage(
  parts: Parts,
  scope: Scope,
  name: string,
  options: CheckOptions,
): Promise<ImageCheck | null> {
  for (let tries = 1; ; tries++) {
    const image = parts.store.images.find(scope, name);
    if (image === null) return null;
    const check = await checkOnce(parts, scope, image, options);
    // What is gone may have gone with the image, or belong to one that had its name before.
    const now = check.state === "complete" ? image : parts.store.images.find(scope, name);
    if (now?.target.digest === image.target.digest || (now !== null && tries >= TRIES)) return check;
  }
}

async function checkOnce(
  parts: Parts,
  scope: Scope,
  { name, target }: ImageRecord,
  { repair, signal, verified, onProgress }: CheckOptions,
): Promise<ImageCheck> {
  const { store, platform } = parts;
  const problems: ImageProblem[] = [];
  const repaired: ImageProblem[] = [];
  let done = 0;
  let total = 0;
  const verify = async (part: Part): Promise<boolean> => {
    signal.throwIfAborted();
    const { digest, size } = part.descriptor;
    const problem = await problemWith(part);
    const isMended = problem !== null && repair && (await store.content.repair(scope, { digest, size, signal }));
    if (problem !== null) (isMended ? repaired : problems).push(problem);
    if (problem !== null && !isMended) return false;
    verified.add(digest);
    const { size: found } = store.content.info(scope, digest);
    // Some registries do not say how long a target is.
    if (found !== size && size > 0)
      problems.push(problemOf(part, "damaged", `it has ${found} bytes, but what refers to it says ${size}`));
    return true;
  };
  const { layers, images } = await partsOf(
    { store, scope, platform, verify, tell: (one) => problems.push(one) },
    target,
  );
  total = done;
  for (const { descriptor } of layers.values()) if (!verified.has(descriptor.digest)) total += descriptor.size;
  for (const part of layers.values()) await verify(part);
  // What was missing has lost its labels, which are read from documents.
  const areDocumentsWhole = problems.every(({ what }) => what === "config" || what === "layer");
  if (areDocumentsWhole && repaired.some((one) => one.state === "missing")) await labelChildren(store, scope, target);
  const areBlobsWhole = problems.length === 0;
  for (const image of images)
    for (const snapshotter of store.snapshotters) {
      signal.throwIfAborted();
      const found = await snapshotProblems(store.snapshotter(snapshotter), scope, image);
      const failure = repair && areBlobsWhole && found.length > 0 ? await unpackAgain(image, snapshotter, found) : "";
      if (failure === null) repaired.push(...found);
      else problems.push(...found.map((one) => (failure === "" ? one : { ...one, why: `${one.why}; ${failure}` })));
    }
  const state = problems.some((one) => one.state === "damaged")
    ? "damaged"
    : problems.length > 0
      ? "missing"
      : "complete";
  return {
    name,
    digest: target.digest,
    state,
    problems: problems.slice(0, MAX_TOLD),
    repaired: repaired.slice(0, MAX_TOLD),
  };

  async function problemWith(part: Part): Promise<ImageProblem | null> {
    const { digest } = part.descriptor;
    const isMissing = () => lackOf(store, scope, digest) === "missing";
    if (verified.has(digest) && lackOf(store, scope, digest) === null) return null;
    const damage = isMissing() ? null : await store.content.verify(digest, { signal, onBytes });
    // It may have been collected while it was read.
    if (isMissing()) return problemOf(part, "missing", "it is not in the content store");
    return damage === null ? null : problemOf(part, "damaged", damage);
  }

  function onBytes(count: number): void {
    done += count;
    onProgress(done, Math.max(done, total));
  }

  /** null once the chain is there again, else why it is not. */
  async function unpackAgain(
    image: Resolved,
    snapshotter: string,
    found: readonly ImageProblem[],
  ): Promise<string | null> {
    try {
      dropDownTo(store, scope, snapshotter, chainIds(image.config.diffIds), new Set(found.map(({ id }) => id)));
      await unpackImage(parts, scope, image, snapshotter, signal);
      return null;
    } catch (error) {
      if (kindOf(error) !== "failed-precondition") throw error;
      return `it cannot be made again (${messageOf(error)}): remove the containers and images that lie upon it first`;
    }
  }
}

/** What is wrong with the chain of snapshots that an image was unpacked to, top first. Nothing if it was not. */
async function snapshotProblems(snapshotter: Snapshotter, scope: Scope, { config }: Resolved): Promise<ImageProblem[]> {
  const chain = chainIds(config.diffIds);
  const what = `snapshot (${snapshotter.name})`;
  const found: ImageProblem[] = [];
  if (snapshotter.find(scope, chain.at(-1) ?? "") === null) return found;
  for (let at = chain.length - 1; at >= 0; at--) {
    const id = chain[at] ?? "";
    const why = await wrongWith(snapshotter, scope, id, chain[at - 1] ?? "");
    if (why !== null) found.push({ what, id, state: "damaged", why });
  }
  return found;
}

async function wrongWith(snapshotter: Snapshotter, scope: Scope, id: string, parent: string): Promise<string | null> {
  const snapshot = snapshotter.find(scope, id);
  if (snapshot === null) return "it is not there";
  if (snapshot.kind !== "committed") return `it is ${snapshot.kind} instead of committed`;
  if (snapshot.parent !== parent) return `it lies upon ${JSON.stringify(snapshot.parent)} instead of ${parent}`;
  const [own = ""] = snapshotter.directories(scope, id);
  return (await isDirectory(own)) ? null : `its directory ${own} is missing`;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** Drops a chain from its top down to the lowest that is damaged, or nothing of it if somebody uses it. */
function dropDownTo(
  store: Store,
  scope: Scope,
  snapshotter: string,
  chain: readonly string[],
  damagedOnes: ReadonlySet<string>,
): void {
  const api = store.snapshotter(snapshotter);
  const lowest = chain.findIndex((id) => damagedOnes.has(id));
  store.transaction(() => {
    // Nothing else refers to what stays until the rest lies upon it again.
    for (const id of chain.slice(0, lowest))
      store.leases.addResource(scope.namespace, scope.lease, { id, type: `snapshots/${snapshotter}` });
    for (const id of chain.slice(lowest).reverse()) if (api.find(scope, id) !== null) api.drop(scope, id);
  });
}
