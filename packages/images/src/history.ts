// How an image was made, by its config (OCI image specification, config.md, "history").
import type { Descriptor } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { readDocument } from "./documents.ts";
import { type JsonObject, listOf, member, objectOf, stringOf } from "./json.ts";
import type { Platform } from "./platform.ts";
import { resolveTarget } from "./resolve.ts";

/** A step that has made an image. */
export interface HistoryStep {
  /** RFC 3339 unless whoever wrote it wrote something else; empty if missing. */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  /** Of the layer that the step has made; null if it made none. */
  readonly layer: Pick<Descriptor, "digest" | "size"> | null;
}

/** A step as the config tells of it. */
interface ToldStep extends Omit<HistoryStep, "layer"> {
  readonly isEmpty: boolean;
}

/** Of a text of the config, so that a step fits a message. */
const LONGEST = 64 << 10;

/** The steps of a target's image for the platform, the newest first. Throws what `resolveTarget` throws. */
export async function imageHistory(
  store: Store,
  scope: Scope,
  target: Descriptor,
  platform: Platform,
): Promise<HistoryStep[]> {
  const { configDescriptor, layers } = await resolveTarget(store, scope, target, platform);
  const document = await readDocument(store, scope, "image config", configDescriptor.digest);
  return stepsWithLayers(parseHistory(document, `image config ${configDescriptor.digest}`), layers).reverse();
}

/** Throws invalid-argument for fields of a wrong type. */
export function parseHistory(document: JsonObject, what: string): ToldStep[] {
  return listOf(document, "history", what).map((item, at) => {
    const where = `step ${at} in the history of ${what}`;
    const step = objectOf(item, where);
    const text = (key: string): string => stringOf(step, key, where).slice(0, LONGEST);
    return {
      created: text("created"),
      createdBy: text("created_by"),
      comment: text("comment"),
      isEmpty: member(step, "empty_layer") === true,
    };
  });
}

/**
 * Steps that made a layer get the layers in their order. Layers that no step tells of (many tools write no history) are
 * steps of their own; a step too many has no layer.
 */
export function stepsWithLayers(steps: readonly ToldStep[], layers: readonly Descriptor[]): HistoryStep[] {
  const rest = [...layers];
  const told = steps.map(({ isEmpty, ...step }) => ({ ...step, layer: (isEmpty ? null : rest.shift()) ?? null }));
  return [...told, ...rest.map((layer) => ({ created: "", createdBy: "", comment: "", layer }))];
}
