// What a transfer tells while it goes on, in the words that containerd's clients show.
import type { Descriptor } from "@berth/base";
import type { PartProgress, PullProgress } from "@berth/images";
import { type Init, packAny } from "@berth/proto";
import { Progress } from "@berth/proto/containerd/types/transfer";
import type { Stream } from "./streams.ts";

export interface Teller {
  /** What goes on as a whole, or has happened to what has this name. Who does not listen any more is told nothing. */
  tell(event: string, name?: string, descriptor?: Descriptor): Promise<void>;
  /** The parts that have changed. `root` is the name of what they are parts of. */
  tellParts(root: string, progress: PullProgress): Promise<void>;
}

/** `moving` is the event of a part whose bytes move. */
export function createTeller(stream: Stream | null, moving: "downloading" | "uploading"): Teller {
  /** Names of parts by digest. */
  const names = new Map<string, string>();
  /** What was said last, by name. */
  const said = new Map<string, string>();
  let listens = stream !== null;

  async function send(message: Init<Progress>): Promise<void> {
    if (!listens) return;
    // Progress that nobody reads is no reason to end a transfer.
    await stream?.send(packAny(Progress, message)).catch(() => {
      listens = false;
    });
  }

  return {
    tell: (event, name = "", descriptor) => send({ event, name, ...(descriptor && { desc: descriptor }) }),
    async tellParts(root, { parts }) {
      for (const part of parts) names.set(part.digest, `${part.kind}-${part.digest}`);
      // A client shows a part below one that it knows already.
      for (const part of parts.toSorted((a, b) => places[a.kind] - places[b.kind])) {
        const name = names.get(part.digest) ?? "";
        const event = eventOf(part, moving);
        const progress = event === "waiting" ? 0 : part.offset;
        const key = `${event} ${progress}`;
        if (said.get(name) === key) continue;
        said.set(name, key);
        await send({
          event,
          name,
          parents: [names.get(part.parent) ?? root],
          progress: progress,
          total: part.size,
          desc: { mediaType: part.mediaType, digest: part.digest, size: part.size },
        });
      }
    },
  };
}

const places = { index: 0, manifest: 1, config: 2, layer: 3 } as const;

function eventOf({ state, wasHere }: PartProgress, moving: string): string {
  switch (state) {
    case "waiting":
      return "waiting";
    case "fetching":
    case "pushing":
      return moving;
    case "there":
    case "mounted":
      return "already exists";
    default:
      return wasHere ? "already exists" : "complete";
  }
}
