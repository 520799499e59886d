import { BerthError, unimplemented } from "@berth/base";
import type { Method } from "@berth/proto";
import type { IncomingCall } from "./incoming-call.ts";
import type { Handler } from "./intercept.ts";
import type { Registration } from "./service-impl.ts";
import { type RpcStatus, statusOf } from "./status.ts";

/** One method of a server. */
export interface Route {
  /** `containerd.services.tasks.v1.Tasks/Create`: for logs and as Call.method. */
  readonly path: string;
  readonly method: Method;
  readonly handler: Handler;
}

/** The methods of a server by the full name of their service and their own name, as on the wire. */
export type Routes = ReadonlyMap<string, ReadonlyMap<string, Route>>;

/** Throws where a service is registered twice or has a method without a handler: both are mistakes of ours. */
export function routesOf(registrations: readonly Registration[]): Routes {
  const routes = new Map<string, Map<string, Route>>();
  for (const { service, impl } of registrations) {
    if (routes.has(service.typeName)) throw new Error(`service ${service.typeName} is registered twice`);
    const methods = new Map<string, Route>();
    for (const [name, method] of Object.entries(service.methods)) {
      const handler = impl[name];
      if (typeof handler !== "function") throw new Error(`service ${service.typeName} has no handler for ${name}`);
      // Bound, so that an implementation may also be an instance with methods.
      const bound = handler.bind(impl) as Handler;
      methods.set(method.name, { path: `${service.typeName}/${method.name}`, method, handler: bound });
    }
    routes.set(service.typeName, methods);
  }
  return routes;
}

/** Throws unimplemented, in the words of Go's server: containerd decides by the code which version a shim speaks. */
export function findRoute(routes: Routes, service: string, method: string): Route {
  const methods = routes.get(service);
  if (methods === undefined) throw unimplemented(`service ${service}`);
  const route = methods.get(method);
  if (route === undefined) throw unimplemented(`method ${method}`);
  return route;
}

/**
 * The status of what a handler threw. What is not a BerthError is a mistake of ours and is logged, here
 * and nowhere else; unless the call was aborted and the handler only passes on the abortion.
 */
export function failureOf(error: unknown, call: IncomingCall): RpcStatus {
  if (error instanceof BerthError) return statusOf(error);
  if (call.reason !== null && isAbortError(error)) return statusOf(call.reason);
  call.log.error("a call failed unexpectedly", { err: error });
  return statusOf(error);
}

const isAbortError = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";
