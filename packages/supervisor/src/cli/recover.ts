// `berthd recover`: rebuilds a database that is lost or too old, while containers go on, and says what it could not.
import { dataLoss, type Log, messageOf, systemClock } from "@berth/base";
import { relabelImage } from "@berth/images";
import { typeUrls } from "@berth/proto";
import { type BundledContainer, bundledContainers } from "@berth/runtime";
import { endRecovery, openStore, recoverStore, type Store } from "@berth/store";
import { claimSocket } from "@berth/transport";
import type { Config } from "../config/sections.ts";
import { ttrpcAddressOf } from "./effective-config.ts";

/** Nothing is collected while things are put together. */
const NEVER = 2 ** 31 - 1;

export async function recover(config: Config, log: Log, tell: (sentence: string) => void): Promise<void> {
  const { root, state } = config.top;
  const addresses = [config.grpc.address, ttrpcAddressOf(config)];
  // One that has lost its database under itself is not found by the lock on it.
  for (const address of addresses) await claimSocket(address);
  const places = { root, state, others: addresses };
  await recoverStore(places, { clock: systemClock, log, tell });
  const gc = { startupDelayMs: NEVER, mutationThreshold: 0, deletionThreshold: 0 };
  {
    await using store = await openStore({ ...places, recovering: true, clock: systemClock, log, gc });
    await relabelImages(store, tell);
    rebuildContainers(store, bundledContainers(state, root), config, tell);
  }
  endRecovery(root);
  tell(
    "not kept anywhere but in the database: leases, ingests, the labels of blobs (those that images need were made again), and whose a blob without an image was (each namespace has it for a week)",
  );
  tell("start berthd now: it finds the containers that run");
}

async function relabelImages(store: Store, tell: (sentence: string) => void): Promise<void> {
  for (const { name: namespace } of store.namespaces.list()) {
    for (const { name } of store.images.list({ namespace, lease: "" }, [])) {
      try {
        await relabelImage(store, { namespace, lease: "" }, name);
      } catch (error) {
        tell(`image ${name} in namespace ${namespace} is not whole (${messageOf(error)}): import or pull it again`);
      }
    }
  }
}

/** Records for tasks whose container has none, from what their bundles have of it. */
function rebuildContainers(
  store: Store,
  bundles: readonly BundledContainer[],
  { engine }: Config,
  tell: (sentence: string) => void,
): void {
  let added = 0;
  for (const { namespace, id, spec } of bundles) {
    const scope = { namespace, lease: "" };
    try {
      if (store.containers.find(scope, id) !== null) continue;
      if (spec === null) throw dataLoss("its bundle has no spec that can be read");
      const snapshotter = store.snapshotters.find((name) => store.snapshotter(name).find(scope, id) !== null);
      store.containers.create(scope, {
        id,
        labels: {},
        image: "",
        runtime: { name: engine.defaultRuntime, options: null },
        spec: { typeUrl: typeUrls.spec, value: spec },
        snapshotter: snapshotter ?? "",
        snapshotKey: snapshotter === undefined ? "" : id,
        extensions: {},
        sandbox: "",
      });
      added++;
    } catch (error) {
      // The directory may have a name that no container can have.
      const names = `${JSON.stringify(id)} in namespace ${JSON.stringify(namespace)}`;
      tell(`not rebuilt: container ${names} (${messageOf(error)})`);
    }
  }
  if (added > 0)
    tell(`${added} containers rebuilt from their bundles, without labels, the name of their image and runtime options`);
}
