// After a restart: whether a bundle's shim still answers, and what it says of its container.

import { isAlive } from "@berth/helper";
import type { ConnectResponse, StateResponse } from "@berth/proto/containerd/task/v2";
import { NobodyListens } from "@berth/transport";
import type { Bootstrap } from "./bootstrap-reply.ts";
import type { Bundle } from "./bundle.ts";
import type { Context } from "./context.ts";
import { within } from "./deadline.ts";
import { findShim, listeningPaths } from "./find-shim.ts";
import type { Journal } from "./journal.ts";
import type { Limit } from "./limit.ts";
import { addressesIn } from "./recover-journal.ts";
import type { ShimConnection } from "./shim-connection.ts";

/** A shim that has not answered after this long does not keep the next one waiting. */
const PATIENCE_MS = 50;
/** Dials of a shim that accepts and drops connections. A process that was killed does so until it is torn down. */
const TRIES = 20;

export const bootstrapOf = (journal: Journal): Bootstrap => ({
  version: journal.api,
  address: journal.address,
  protocol: "ttrpc",
});

const nothing = { connection: null, connect: null, state: null } as const;

/** What was found at a shim's address. */
export interface Found {
  /** With the address that was tried last. */
  readonly journal: Journal;
  readonly connection: ShimConnection | null;
  readonly connect: ConnectResponse | null;
  readonly state: StateResponse | null;
  readonly error: unknown;
  /** Nobody listens at its address. */
  readonly gone: boolean;
}

/**
 * Asks the shim of a bundle for its container. Where nobody listens at the address in the journal although the shim may
 * live, the other places where an address is told are tried.
 */
export async function reach(context: Context, bundle: Bundle, journal: Journal, limit: Limit): Promise<Found> {
  const first = await lookAt(context, bundle, journal, limit);
  const { shimProcess } = journal;
  if (!first.gone || (shimProcess !== null && !isAlive(shimProcess))) return first;
  const process = shimProcess ?? (await findShim(bundle));
  const listening = process === null ? [] : await listeningPaths(process);
  const others = [
    ...addressesIn(bundle),
    ...listening.map((path) => ({ version: journal.api, address: `unix://${path}` })),
  ];
  const tried = new Set([journal.address]);
  for (const { address, version: api } of others) {
    if (tried.has(address)) continue;
    tried.add(address);
    const found = await lookAt(context, bundle, { ...journal, address, api, shimProcess: process }, limit);
    if (!found.gone) return found;
  }
  return { ...first, journal: { ...journal, shimProcess: process } };
}

async function lookAt(context: Context, bundle: Bundle, journal: Journal, limit: Limit): Promise<Found> {
  const { dial, timeouts } = context;
  if (journal.address === "") return { ...nothing, journal, error: null, gone: true };
  const look = async (tries: number): Promise<Found> => {
    let connection: ShimConnection;
    try {
      connection = await dial(bootstrapOf(journal), timeouts.load);
    } catch (error) {
      return { ...nothing, journal, error, gone: error instanceof NobodyListens };
    }
    const options = { namespace: bundle.namespace, timeoutMs: timeouts.load };
    const pid =
      journal.shimProcess === null ? connection.task.connect({ id: bundle.id }, options).catch(() => null) : null;
    const state = await connection.task.state({ id: bundle.id }, options).catch((error: unknown) => ({ error }));
    const connect = await pid;
    if (!("error" in state)) return { journal, connection, connect, state, error: null, gone: false };
    // It ended, or replaced itself, just now: the next dial tells which.
    if (connection.closed && tries > 1) return await look(tries - 1);
    const kept = connection.closed ? null : connection;
    return { journal, connection: kept, connect, state: null, error: state.error, gone: false };
  };
  let looking: Promise<Found> | undefined;
  // The limit is on those that answer: a stopped shim gives its place back and is waited for outside.
  await limit(async () => {
    looking = look(TRIES);
    await within(looking, PATIENCE_MS, "a shim's answer").catch(() => undefined);
  });
  return await (looking as Promise<Found>);
}
