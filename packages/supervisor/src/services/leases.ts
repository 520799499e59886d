import { randomBytes } from "node:crypto";
import { toTimestamp } from "@berth/proto";
import { type Lease, type Leases, Resource } from "@berth/proto/containerd/services/leases/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { Collector, LeaseRecord, LeaseStore } from "@berth/store";

const leaseToProto = (record: LeaseRecord): Lease => ({
  id: record.id,
  labels: { ...record.labels },
  createdAt: toTimestamp(record.createdAt),
});

export function leasesService({
  leases,
  collector,
}: {
  leases: LeaseStore;
  collector: Collector;
}): ServiceImpl<typeof Leases> {
  return {
    create(req, call) {
      const id = req.id === "" ? randomBytes(12).toString("hex") : req.id;
      return { lease: leaseToProto(leases.create(call.namespace, { id, labels: req.labels })) };
    },
    async delete(req, call) {
      leases.delete(call.namespace, req.id);
      if (req.sync) await collector.collect();
      return {};
    },
    list: (req, call) => ({ leases: leases.list(call.namespace, req.filters).map(leaseToProto) }),
    addResource(req, call) {
      leases.addResource(call.namespace, req.id, req.resource ?? Resource.create());
      return {};
    },
    deleteResource(req, call) {
      leases.deleteResource(call.namespace, req.id, req.resource ?? Resource.create());
      return {};
    },
    listResources: (req, call) => ({ resources: leases.listResources(call.namespace, req.id) }),
  };
}
