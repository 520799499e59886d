// containerd's Transfer: from what to what, by which of the things that are done.
import type { EngineDeps } from "@berth/engine";
import type { Transfer } from "@berth/proto/containerd/services/transfer/v1";
import type { ImageStore } from "@berth/proto/containerd/types/transfer";
import type { Call, ServiceImpl } from "@berth/rpc";
import { echo, exportImages, importImages } from "./archives.ts";
import { namingOf } from "./image-store.ts";
import { notImplemented, objectIn, type TransferObject } from "./objects.ts";
import { pull, push } from "./registry.ts";
import type { Stream, Streams } from "./streams.ts";

/** One transfer. */
export interface Transferring {
  readonly deps: EngineDeps;
  readonly call: Call;
  /** A stream by its id, which ends with the transfer. */
  readonly take: (id: string) => Stream;
  /** Where progress is told; null for nowhere. */
  readonly progress: Stream | null;
}

export function transferService(deps: EngineDeps, streams: Streams): ServiceImpl<typeof Transfer> {
  return {
    async transfer({ source, destination, options }, call) {
      const { take, close } = streams.takeFor(call);
      // Who waits for a stream's client then waits no more.
      call.signal.addEventListener("abort", close, { once: true });
      try {
        const id = options?.progressStream ?? "";
        const work = { deps, call, take, progress: id === "" ? null : take(id) };
        const done = transferrer(work, objectIn(source), objectIn(destination));
        if (done === null) throw notImplemented(source, destination);
        await done;
        return {};
      } finally {
        call.signal.removeEventListener("abort", close);
        close();
      }
    },
  };
}

/** Null for what nobody does. */
function transferrer(work: Transferring, from: TransferObject, to: TransferObject): Promise<void> | null {
  if (from.kind === "registry" && to.kind === "store") return pull(work, from.value, to.value);
  if (from.kind === "import" && to.kind === "store") return importImages(work, from.value, to.value);
  if (from.kind === "import" && to.kind === "export") return echo(work, from.value, to.value);
  if (from.kind !== "store") return null;
  if (to.kind === "registry") return push(work, from.value, to.value);
  if (to.kind === "store") return tag(work, from.value, to.value);
  const hasPrefix = from.value.extraReferences.some(({ isPrefix }) => isPrefix);
  return to.kind === "export" && !hasPrefix ? exportImages(work, from.value, to.value) : null;
}

async function tag({ deps, call }: Transferring, from: ImageStore, to: ImageStore): Promise<void> {
  deps.images.nameAs(call, deps.store.images.get(call, from.name).target, namingOf(to));
}
