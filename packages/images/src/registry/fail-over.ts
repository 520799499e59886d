// One request, to one endpoint after the other, and again where what has failed may pass.
import { setTimeout as delay } from "node:timers/promises";
import { BerthError, failedPrecondition, messageOf } from "@berth/base";
import { Unreachable } from "./network-error.ts";
import { RefusedByRegistry } from "./status.ts";
import type { Capability, Endpoint } from "./types.ts";

/** What each endpoint has said, in order. */
type Failures = Map<Endpoint, unknown>;

export interface FailOver {
  /** How often all endpoints are tried at most. */
  readonly rounds: number;
  /** Milliseconds before the second round; doubled before each one after it. */
  readonly backOffMs: number;
  /** Longest time that is waited because a registry asks for it. */
  readonly longestWaitMs: number;
}

export const defaultFailOver: FailOver = { rounds: 4, backOffMs: 500, longestWaitMs: 30_000 };

export interface Wish {
  /** For the sentence: `image docker.io/library/busybox:latest cannot be pulled`. */
  readonly what: string;
  /** For the case that there is no endpoint for it: `docker.io`. */
  readonly registry: string;
  readonly capability: Capability;
  readonly signal: AbortSignal;
}

/** The first answer. Throws the failure of all, of the kind of the first that is not not-found. */
export async function askEach<E extends { readonly endpoint: Endpoint }, T>(
  { rounds, backOffMs, longestWaitMs }: FailOver,
  endpoints: readonly E[],
  { what, registry, capability, signal }: Wish,
  request: (one: E) => Promise<T>,
): Promise<T> {
  let left = endpoints.filter(({ endpoint }) => endpoint.capabilities.has(capability));
  if (left.length === 0)
    throw failedPrecondition(
      `${what}: the configuration of registry ${registry} has no endpoint with the capability ${capability}`,
    );
  const failures: Failures = new Map();
  for (let round = 1; ; round++) {
    const again: E[] = [];
    let wait = backOffMs * 2 ** (round - 1);
    for (const one of left) {
      if (isOtherHalf(one.endpoint, failures)) continue;
      try {
        return await request(one);
      } catch (error) {
        signal.throwIfAborted();
        failures.set(one.endpoint, error);
        if (!isPassing(error)) continue;
        again.push(one);
        if (error instanceof RefusedByRegistry) wait = Math.max(wait, error.retryAfterMs);
      }
    }
    if (again.length === 0 || round === rounds || wait > longestWaitMs) throw summary(what, capability, failures);
    await delay(wait, undefined, { signal });
    left = again;
  }
}

/** A registry on this machine is tried in https and then in http: where one has answered, the other is not it. */
const isOtherHalf = ({ url, host, source }: Endpoint, failures: Failures): boolean =>
  [...failures].some(
    ([before, error]) =>
      before.url !== url && before.host === host && before.source === source && error instanceof RefusedByRegistry,
  );

const isPassing = (error: unknown): boolean =>
  (error instanceof RefusedByRegistry || error instanceof Unreachable) && error.isPassing;

/** One sentence with what each endpoint has said. */
function summary(what: string, capability: Capability, failures: Failures): BerthError {
  // Which half of a registry on this machine does not speak is nothing to be said.
  const spoken = new Set(
    [...failures].filter(([, error]) => !(error instanceof Unreachable)).map(([{ host }]) => host),
  );
  const all = [...failures].filter(([{ host }, error]) => !(error instanceof Unreachable && spoken.has(host)));
  const said = all.map(([{ url }, error]) => `${url}: ${messageOf(error)}`).join("; ");
  const decisive = all.map(([, error]) => error).find((error) => kindOfFailure(error) !== "not-found");
  const kind = decisive === undefined ? "not-found" : kindOfFailure(decisive);
  const remedy = remedies[capability === "push" ? "push" : "pull"][kind] ?? "";
  return new BerthError(kind, `${what}: ${said}${remedy}`, { cause: decisive });
}

const kindOfFailure = (error: unknown) => (error instanceof BerthError ? error.kind : "unknown");

/** What may help, by what was wanted and what has come of it. */
const remedies: Readonly<Record<"pull" | "push", Readonly<Partial<Record<BerthError["kind"], string>>>>> = {
  pull: {
    "not-found": ". Check its name and its tag",
    "permission-denied": ". It is private, or it is not there: berth login may help",
  },
  push: {
    "not-found": ". Some registries want a repository to be made before its first push",
    "permission-denied": ". Its owner has to allow it: berth login may help",
  },
};
