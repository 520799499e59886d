import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  locateCgroup,
  metricsV1,
  metricsV2,
  parseBlkio,
  parseIo,
  parseMountinfo,
  parsePressure,
  parseProcCgroup,
  parseRdma,
  threadsFiles,
} from "@berth/shim";

/** Written by hand in the format of cgroup v1; memory and cpuacct figures are from a live root cgroup (Linux 6.18). */
const v1: Readonly<Record<string, string>> = {
  "memory/memory.stat":
    "cache 9629696\nrss 14856192\npgpgin 43869\ninactive_anon 0\nhierarchical_memory_limit 9223372036854771712\nhierarchical_memsw_limit 9223372036854771712\ntotal_cache 438353920\ntotal_pgmajfault 5333\n",
  "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
  "memory/memory.limit_in_bytes": "9223372036854771712\n",
  "memory/memory.usage_in_bytes": "477011968\n",
  "memory/memory.max_usage_in_bytes": "1951723520\n",
  "memory/memory.failcnt": "0\n",
  "cpu/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 77\n",
  "cpuacct/cpuacct.stat": "user 12653\nsystem 8205\n",
  "cpuacct/cpuacct.usage": "208598568955\n",
  "cpuacct/cpuacct.usage_percpu": "89116777519 119483946178 \n",
  "pids/pids.current": "7\n",
  "pids/pids.max": "max\n",
  "blkio/blkio.throttle.io_service_bytes": "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n",
};

/** Written by hand from cgroup-v2.rst: not taken from a machine. */
const v2: Readonly<Record<string, string>> = {
  "pids.current": "2\n",
  "pids.max": "max\n",
  "cpu.stat": "usage_usec 5123\nuser_usec 4000\nsystem_usec 1123\nnr_periods 0\nnr_bursts 1\n",
  "memory.stat": "anon 4096\nfile 8192\nworkingset_refault_anon 1\nworkingset_refault_file 2\npgfault 99\n",
  "memory.current": "1048576\n",
  "memory.max": "max\n",
  "memory.events": "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0\n",
  "io.stat": "254:0 rbytes=90112 wbytes=0 rios=5 wios=0 dbytes=0 dios=0\n",
  "cpu.pressure": "some avg10=0.12 avg60=1.00 avg300=0.00 total=4321\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
};

describe("cgroup v1 metrics", () => {
  const metrics = metricsV1((controller, name) => v1[`${controller}/${name}`] ?? null, ["2MB"]);
  it("reads memory with all 64 bits", () => {
    assert.equal(metrics.memory?.hierarchicalMemoryLimit, 9223372036854771712n);
    assert.equal(metrics.memory?.totalCache, 438353920n);
    assert.equal(metrics.memory?.totalPgMajFault, 5333n);
    assert.equal(metrics.memory?.usage?.usage, 477011968n);
    assert.equal(metrics.memoryOomControl?.oomKill, 3n);
  });
  it("counts processor time in nanoseconds", () => {
    assert.equal(metrics.cpu?.usage?.user, 126530000000n);
    assert.deepEqual(metrics.cpu?.usage?.perCpu, [89116777519n, 119483946178n]);
    assert.equal(metrics.cpu?.throttling?.throttledTime, 77n);
  });
  it("says 0 for no limit of pids", () => assert.deepEqual({ ...metrics.pids }, { current: 7n, limit: 0n }));
  it("takes the throttle layer where there is no scheduler", () => {
    assert.equal(metrics.blkio?.ioServiceBytesRecursive?.length, 3);
  });
  it("reads block devices without an operation, and leaves out the sum", () => {
    assert.deepEqual(parseBlkio("8:16 12\nTotal 12\n"), [{ major: 8n, minor: 16n, op: "", value: 12n }]);
  });
});

describe("cgroup v2 metrics", () => {
  const metrics = metricsV2((name) => v2[name] ?? null, []);
  it("reads figures, and max as the largest number", () => {
    assert.equal(metrics.pids?.limit, 0xffffffffffffffffn);
    assert.equal(metrics.memory?.usageLimit, 0xffffffffffffffffn);
    assert.equal(metrics.memory?.workingsetRefault, 3n);
    assert.equal(metrics.cpu?.usageUsec, 5123n);
    assert.equal(metrics.memoryEvents?.oomKill, 1n);
  });
  it("reads devices and pressure", () => {
    assert.equal(parseIo(v2["io.stat"] ?? null)[0]?.rbytes, 90112n);
    assert.equal(parsePressure(v2["cpu.pressure"] ?? null)?.some?.avg10, 0.12);
    assert.equal(parsePressure(null), null);
    // The example of cgroup-v2.rst.
    assert.deepEqual(parseRdma("mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3 hca_object=max\n"), [
      { device: "mlx4_0", hcaHandles: 2, hcaObjects: 2000 },
      { device: "ocrdma1", hcaHandles: 3, hcaObjects: 0xffff_ffff },
    ]);
    assert.deepEqual(parseRdma(null), []);
  });
});

const hybrid = `30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`;

describe("where a cgroup is", () => {
  it("mixed hierarchies count as version 1", () => {
    const paths = parseProcCgroup("4:memory:/a/b\n3:cpu,cpuacct:/a/b\n1:name=systemd:/x\n0::/\n");
    const found = locateCgroup(paths, parseMountinfo(hybrid));
    assert.equal(found?.version, 1);
    assert.equal(found?.directories.memory, "/sys/fs/cgroup/memory/a/b");
    assert.equal(found?.directories.cpuacct, "/sys/fs/cgroup/cpu,cpuacct/a/b");
  });
  it("a unified hierarchy has one directory", () => {
    const mounts = parseMountinfo("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    assert.deepEqual(locateCgroup(parseProcCgroup("0::/a/b\n"), mounts), {
      version: 2,
      directories: { "": "/sys/fs/cgroup/a/b" },
    });
  });
  it("a mount that shows a part of the hierarchy is taken into account", () => {
    const mounts = parseMountinfo("30 24 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    assert.equal(locateCgroup(parseProcCgroup("0::/docker/1/a\n"), mounts)?.directories[""], "/sys/fs/cgroup/a");
  });
  it("nothing mounted: there is none", () => assert.equal(locateCgroup(parseProcCgroup("0::/a\n"), []), null));
});

describe("the files that move a thread", () => {
  it("are tasks of cgroup v1 and cgroup.threads of v2, where those are usually mounted", () => {
    assert.deepEqual(threadsFiles("8:pids:/a\n0::/\n"), [
      "/sys/fs/cgroup/pids/a/tasks",
      "/sys/fs/cgroup/cgroup.threads",
      "/sys/fs/cgroup/unified/cgroup.threads",
    ]);
  });
  it("are none for a cgroup outside of our namespace's", () => {
    assert.deepEqual(threadsFiles("0::/../other\n"), []);
  });
});
