import { BerthError } from "@berth/base";
import { packAny } from "@berth/proto";
import type { Any } from "@berth/proto/google/protobuf";
import { Metrics as MetricsV1 } from "@berth/proto/io/containerd/cgroups/v1";
import { Metrics as MetricsV2 } from "@berth/proto/io/containerd/cgroups/v2";
import type { Cgroup } from "./cgroup-path.ts";
import { hugePageSizes, readCgroupFile } from "./cgroup-reader.ts";
import { metricsV1 } from "./cgroup-v1-metrics.ts";
import { metricsV2 } from "./cgroup-v2-metrics.ts";

/** The figures of a container's cgroup. Throws not-found where it has none. */
export function statsOf(cgroup: Cgroup | null): Any {
  if (cgroup === null) throw new BerthError("not-found", "cgroup does not exist: not found");
  const { directories } = cgroup;
  if (cgroup.version === 2)
    return packAny(
      MetricsV2,
      metricsV2((name) => readCgroupFile(directories[""], name), hugePageSizes()),
    );
  const read = (controller: string, name: string) => readCgroupFile(directories[controller], name);
  return packAny(MetricsV1, metricsV1(read, directories.hugetlb === undefined ? [] : hugePageSizes()));
}
