// What a layer has written itself. Its whiteouts hide what the layers below have put into the tree and spare this, in
// whatever order the members come (image-spec layer.md, "Whiteouts": they "MUST only apply to resources in
// lower/parent layers").
import { resourceExhausted } from "@berth/base";

/** A directory that is of a lower layer and of this one. */
export interface Shared {
  /** Extended attributes of this layer's own member for it; null if it is only implied by members below it. */
  readonly xattrs: ReadonlySet<string> | null;
  /** Nothing of the layers below is left in it. */
  readonly emptied: boolean;
}

/** "own": the entry, and all that is below it, is this layer's. */
export type Mark = "own" | Shared;

const implied: Shared = { xattrs: null, emptied: false };

/** Some 230 bytes each, and the host's heap has 256 MiB. */
const MOST = 700_000;

/** Entries by their real path: the caller resolves links. */
export interface OwnEntries {
  /** null: nothing at the path or below it is of this layer. */
  at(path: string): Mark | null;
  mark(path: string, mark: Mark): void;
  /**
   * To be called for each directory that a member is put into: the directories on the way there become this layer's,
   * too. True if nothing of the layers below is in it, so that there is nothing to hide or to mark.
   */
  enter(directory: string): boolean;
}

export function createOwnEntries(): OwnEntries {
  const marks = new Map<string, Mark>();
  let entered: string | null = null;
  let covered = false;

  function mark(path: string, value: Mark): void {
    if (marks.size >= MOST) throw resourceExhausted(`the layer has more than ${MOST} members over those below`);
    marks.set(path, value);
    if (value !== "own") entered = null;
  }

  function isCovered(directory: string): boolean {
    const parts = directory === "" ? [] : directory.split("/");
    for (let depth = 0; depth <= parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      const found = marks.get(path);
      if (found === "own" || found?.emptied === true) return true;
      if (found === undefined) mark(path, implied);
    }
    return false;
  }

  return {
    at: (path) => marks.get(path) ?? null,
    mark,
    enter(directory) {
      if (entered !== directory) {
        covered = isCovered(directory);
        entered = directory;
      }
      return covered;
    },
  };
}
