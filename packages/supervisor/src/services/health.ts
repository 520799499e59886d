import { notFound } from "@berth/base";
import { type Health, HealthCheckResponse_ServingStatus as ServingStatus } from "@berth/proto/grpc/health/v1";
import type { ServiceImpl } from "@berth/rpc";

/** `names` are the services that are served; the empty name stands for all of them. */
export function healthService({ names }: { names: ReadonlySet<string> }): ServiceImpl<typeof Health> {
  const known = (name: string) => name === "" || names.has(name);
  return {
    check(req) {
      if (!known(req.service)) throw notFound("service", req.service);
      return { status: ServingStatus.SERVING };
    },
    async *watch(req, call) {
      yield { status: known(req.service) ? ServingStatus.SERVING : ServingStatus.SERVICE_UNKNOWN };
      // The status never changes while there is somebody to tell it.
      if (!call.signal.aborted)
        await new Promise<void>((resolve) => call.signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  };
}
