// What layers come to, by a tree in memory in which every entry knows its layer: the simplest thing that can be said
// about whiteouts, to compare berth-unpack with.
import type { TarEntry } from "../support/image.ts";
import { tarMembers } from "./tar-members.ts";

interface Node {
  readonly type: "directory" | "file" | "symlink";
  /** The last layer that has it, or anything below it. */
  layer: number;
  /** The last layer with a member for it. */
  described: number;
  mode: number;
  readonly text: string;
  readonly children: Map<string, Node>;
}

const newNode = (type: Node["type"], layer: number, mode: number, text: string): Node => ({
  type,
  layer,
  described: 0,
  mode,
  text,
  children: new Map(),
});

const newDirectory = (layer: number): Node => newNode("directory", layer, 0o755, "");

export interface LayerModel {
  /** Applies members, in their order; false where one lies below what is no directory. */
  apply(members: readonly TarEntry[]): boolean;
  /** A line for each entry. */
  lines(): string[];
}

export function createLayerModel(): LayerModel {
  const root = newDirectory(0);
  let layer = 0;

  /** The directory that the parts lead to, links followed in the root; what is missing is made. null: no directory. */
  function enter(parts: readonly string[]): Node | null {
    let path: Node[] = [root];
    const waiting = [...parts];
    for (let links = 0; waiting.length > 0; ) {
      const at = path[path.length - 1] as Node;
      const part = waiting.shift() as string;
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (path.length > 1) path.pop();
        continue;
      }
      let next = at.children.get(part);
      if (next === undefined) {
        next = newDirectory(layer);
        at.children.set(part, next);
      }
      if (next.type === "file") return null;
      if (next.type === "directory") {
        path.push(next);
        continue;
      }
      if (++links > 40) return null;
      if (next.text.startsWith("/")) path = [root];
      waiting.unshift(...next.text.split("/"));
    }
    for (const each of path) each.layer = layer;
    return path[path.length - 1] ?? null;
  }

  /** Takes away what other layers have put below the directory, and what they have said of what stays. */
  function hideBelow(directory: Node): void {
    for (const [name, child] of directory.children) if (!stays(child)) directory.children.delete(name);
  }

  /** Whether anything of it is this layer's, which is all that stays of it. */
  function stays(entry: Node): boolean {
    if (entry.layer !== layer) return false;
    if (entry.type === "directory") {
      if (entry.described !== layer) entry.mode = 0o755;
      hideBelow(entry);
    }
    return true;
  }

  function add(member: TarEntry): boolean {
    const parts = member.path.split("/");
    const name = parts.pop() as string;
    const directory = enter(parts);
    if (directory === null) return false;
    if (name === ".wh..wh..opq") {
      hideBelow(directory);
    } else if (name.startsWith(".wh.")) {
      const found = directory.children.get(name.slice(4));
      if (found !== undefined && !stays(found)) directory.children.delete(name.slice(4));
    } else {
      const before = directory.children.get(name);
      const type = (member.type ?? "file") as Node["type"];
      const mode = member.mode ?? 0o644;
      const merges = type === "directory" && before?.type === "directory";
      const now = merges ? (before as Node) : newNode(type, layer, mode, member.link ?? String(member.content ?? ""));
      Object.assign(now, { layer, mode, described: layer });
      directory.children.set(name, now);
    }
    return true;
  }

  return {
    apply(members) {
      layer++;
      return members.every(add);
    },
    lines() {
      const lines: string[] = [];
      const walk = (directory: Node, path: string): void => {
        for (const [name, each] of directory.children) {
          lines.push(line(`${path}${name}`, each.type, each.mode, each.text));
          walk(each, `${path}${name}/`);
        }
      };
      walk(root, "");
      return lines.sort();
    },
  };
}

const line = (path: string, type: string, mode: number, text: string): string =>
  `${path} ${type} ${type === "symlink" ? "" : mode.toString(8)} ${text}`;

/** The same lines of a tar that has a whole tree in it. */
export function linesOfTar(tar: Uint8Array): string[] {
  const lines: string[] = [];
  for (const [{ name, type, mode, link }, body] of tarMembers(tar))
    lines.push(line(name.replace(/\/$/, ""), type, mode, link || Buffer.from(body).toString()));
  return lines.sort();
}
