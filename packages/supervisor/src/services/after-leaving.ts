import type { Lives } from "@berth/engine";
import type { Call, Handler, Interceptor } from "@berth/rpc";

/**
 * Methods that would show a container whose removal was answered, or what it has, wait until it has gone: the one that the
 * request names, or all of the namespace. `looking` is their names by service, or all of a service's.
 */
export const afterLeaving =
  (lives: Lives, looking: ReadonlyMap<string, readonly string[] | "all">): Interceptor =>
  (handler, { service, method }) => {
    const names = looking.get(service);
    if (names !== "all" && names?.includes(method.name) !== true) return handler;
    const left = (request: unknown, { namespace }: Call) => lives.left({ namespace, id: containerOf(request) });
    if (method.kind === "unary")
      return async (request, call) => {
        await left(request, call);
        return await handler(request, call);
      };
    return (request, call) => afterwards(left(request, call), handler, request, call);
  };

async function* afterwards(left: Promise<void>, handler: Handler, request: unknown, call: Call) {
  await left;
  yield* handler(request, call) as AsyncIterable<unknown>;
}

/** Requests name a container in `containerId` or `id`, or send one. */
function containerOf(request: unknown): string | undefined {
  const { containerId, id, container } = request as {
    readonly containerId?: string;
    readonly id?: string;
    readonly container?: { readonly id: string } | null;
  };
  return containerId || id || container?.id || undefined;
}
