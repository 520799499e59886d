import { findRoute, type Registration, type Route, routesOf } from "@berth/rpc";

/** A service whose messages and implementation are made for each call, and not kept: for programs that are mostly idle. Unary methods only. */
export interface LateService {
  /** As on the wire. */
  readonly typeName: string;
  load(): Promise<Registration>;
}

/** Rejects with unimplemented where there is no such method. */
export async function lateRoute({ typeName, load }: LateService, method: string): Promise<Route> {
  const { service, impl } = await load();
  return findRoute(routesOf([{ service: { ...service, typeName }, impl }]), typeName, method);
}
