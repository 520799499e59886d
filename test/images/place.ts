// A real store and the real berth-unpack, in a directory of their own.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { silent, systemClock } from "@berth/base";
import { type Images, openDiffer, openImages } from "@berth/images";
import { openStore, type Store } from "@berth/store";
import { buildUnpack } from "../unpack/harness.ts";

export const isRoot = process.getuid?.() === 0;
const program = isRoot ? await buildUnpack() : "";
export const scope = { namespace: "default", lease: "" };

interface ImportOptions {
  readonly name?: string;
  readonly signal?: AbortSignal;
}

export interface Place extends AsyncDisposable {
  readonly dir: string;
  readonly store: Store;
  readonly images: Images;
  /** Closes the store and opens it again: nothing that was read is known any more. */
  reopen(): Promise<void>;
  import(archive: Uint8Array, options?: ImportOptions): Promise<string[]>;
  importChunks(chunks: AsyncIterable<Uint8Array>, options?: ImportOptions): Promise<string[]>;
  /** Transactions that changed anything. */
  commits(): number;
  /** Everything that the store holds. */
  held(): Record<string, unknown>;
}

export async function openPlace(snapshotter = "native"): Promise<Place> {
  const dir = mkdtempSync("/tmp/berth-images-");
  const storeState = join(dir, "store-state");
  mkdirSync(storeState);
  const open = async () => {
    const store = await openStore({ root: join(dir, "root"), state: storeState, clock: systemClock, log: silent });
    const differ = openDiffer({ store, unpackPath: program, stateDir: join(dir, "state"), log: silent });
    return { store, images: openImages({ store, differ, log: silent }) };
  };
  let { store, images } = await open();
  store.namespaces.create({ name: "default", labels: {} });
  const importChunks: Place["importChunks"] = async (chunks, options = {}) => {
    const { name = "", signal = new AbortController().signal } = options;
    const made = await images.importArchive(scope, chunks, { name, snapshotter, signal });
    return made.map((image) => image.name);
  };
  return {
    dir,
    get store() {
      return store;
    },
    get images() {
      return images;
    },
    async reopen() {
      await store.close();
      ({ store, images } = await open());
    },
    importChunks,
    import(archive, options) {
      // Odd chunks: members must not care where they are cut.
      const chunks = (async function* () {
        for (let at = 0; at < archive.length; at += 70_001) yield archive.subarray(at, at + 70_001);
      })();
      return importChunks(chunks, options);
    },
    commits: () => Number(readFileSync(join(storeState, "io.berth.commits"), "utf8").split(" ")[1]),
    held: () => ({
      images: store.images.list(scope, []).map(({ name }) => name),
      content: store.content.list(scope, []).map(({ digest }) => digest),
      ingests: store.content.listStatuses(scope, []).length,
      leases: store.leases.list("default", []).length,
      snapshots: store
        .snapshotter(snapshotter)
        .list(scope, [])
        .map(({ name }) => name),
    }),
    async [Symbol.asyncDispose]() {
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
