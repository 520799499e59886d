import type { Method } from "@berth/proto";
import type { Call, Registration } from "./service-impl.ts";

/** A handler with its types forgotten: a request or an iterable of them in, an answer, a promise or an iterable out. */
export type Handler = (request: unknown, call: Call) => unknown;

/** Of which service and method a handler is. */
export interface HandlerOf {
  /** `containerd.services.tasks.v1.Tasks` */
  readonly service: string;
  readonly method: Method;
}

/**
 * Stands between every wire and a handler: gives the handler that takes its place, or the same one where it has nothing to
 * do with it. Asked once for each method, so that a call costs nothing that nobody wants.
 */
export type Interceptor = (handler: Handler, of: HandlerOf) => Handler;

/** The registrations with their handlers behind interceptors; the first one is the outermost. */
export function intercept(registrations: readonly Registration[], ...interceptors: Interceptor[]): Registration[] {
  return registrations.map(({ service, impl }) => {
    const handlers: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(service.methods)) {
      const handler = impl[name];
      // Whoever serves it says so.
      if (typeof handler !== "function") continue;
      const of = { service: service.typeName, method };
      handlers[name] = interceptors.reduceRight((inner, one) => one(inner, of), handler.bind(impl) as Handler);
    }
    return { service, impl: handlers };
  });
}
