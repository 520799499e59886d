// The services over the in-memory client, on the engine's harness.
import { silent } from "@berth/base";
import { type Client, clientOf, memoryTransport } from "@berth/rpc";
import { type EngineHarness, openEngine } from "../../engine/test/harness.ts";
import { publishChanges } from "../src/services/publish-changes.ts";
import { registrations } from "../src/services/registrations.ts";

export { namespace, sha256 } from "../../engine/test/harness.ts";

export const scope = { namespace: "test", lease: "" };

export interface Harness extends EngineHarness {
  /** What berthd says to its services when it begins to stop. */
  stop(): void;
  client<S extends { readonly typeName: string; readonly methods: object }>(service: S): Client<S>;
}

export async function startHarness(): Promise<Harness> {
  const opened = await openEngine();
  const { engine, store, runtime, root } = opened;
  publishChanges(store, runtime.events);
  const stopping = new AbortController();
  const transport = memoryTransport(
    registrations({
      engine,
      root,
      uuid: "00000000-0000-4000-8000-000000000000",
      build: { version: "1.2.3", revision: "abc" },
      stopping: stopping.signal,
    }),
    silent,
  );
  return {
    ...opened,
    stop: () => stopping.abort(),
    client: (service) => clientOf(service, transport),
  };
}
