// What a push need not send, because the registry has it in another repository.
import type { Labels } from "@berth/base";
import { type Source, sourceKey } from "../pull/source-label.ts";

/**
 * Another repository of the same registry that has a blob, by the label that a pull leaves: of several the one whose path
 * begins most alike, for who may write to one may rather read there. "" for none.
 */
export function mountSource(labels: Labels, to: Source): string {
  const paths = (labels[sourceKey(to)] ?? "").split(",").filter((path) => path !== "" && path !== to.path);
  const wanted = to.path.split("/");
  const likeness = (path: string): number => {
    const parts = path.split("/");
    const differs = wanted.findIndex((part, at) => part !== parts[at]);
    return differs < 0 ? wanted.length : differs;
  };
  return paths.toSorted((a, b) => likeness(b) - likeness(a))[0] ?? "";
}
