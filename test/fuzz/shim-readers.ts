// What the shim reads: cgroup files, files of a bundle, and every message that others send. No Node: they run in Node
// and on the host, whose engine has other limits.
import { shortOptions } from "@berth/base";
import { DecodeError, type MessageType, packAny } from "@berth/proto";
import { CheckpointOptions, Options, ProcessDetails } from "@berth/proto/containerd/runc/v1";
import { BootstrapParams } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { Sandbox } from "@berth/proto/containerd/runtime/sandbox/v1";
import { Task } from "@berth/proto/containerd/task/v2";
import { Any } from "@berth/proto/google/protobuf";
import { Metrics as MetricsV1 } from "@berth/proto/io/containerd/cgroups/v1";
import { Metrics as MetricsV2 } from "@berth/proto/io/containerd/cgroups/v2";
import { Request, Response } from "@berth/proto/ttrpc";
import {
  lastRuntimeError,
  locateCgroup,
  metricsV1,
  metricsV2,
  mountsBelow,
  parseBundleConfig,
  parseExitRecord,
  parseFlags,
  parseMountinfo,
  parseOptions,
  parseOutput,
  parseProcCgroup,
  parseSandboxConfig,
  parseStartInput,
  planMount,
  slicePath,
} from "@berth/shim";
import { ociSpec } from "../support/oci-spec.ts";
import { mutateBytes } from "./mutate.ts";
import { podOptions } from "./pod-options.ts";
import type { Random } from "./random.ts";
import { randomMessage } from "./random-message.ts";
import { nearly, nearlyJson, type Reader } from "./reader.ts";

/** A directory of files as one text: each begins with this character and its name, on a line of its own. */
const FILE = "\u001e";
const directory = (files: Readonly<Record<string, string>>): string =>
  Object.entries(files)
    .map(([name, text]) => `${FILE}${name}\n${text}`)
    .join("");
const filesIn = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(FILE).map((part) => {
      const end = part.indexOf("\n");
      return end < 0 ? [part, ""] : [part.slice(0, end), part.slice(end + 1)];
    }),
  );

const blkio = "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n";
const cgroupV1 = directory({
  "memory/memory.stat":
    "cache 9629696\nrss 14856192\npgpgin 43869\nhierarchical_memory_limit 9223372036854771712\ntotal_cache 438353920\n",
  "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
  "memory/memory.limit_in_bytes": "9223372036854771712\n",
  "memory/memory.usage_in_bytes": "477011968\n",
  "memory/memory.memsw.max_usage_in_bytes": "1951723520\n",
  "memory/memory.kmem.tcp.failcnt": "0\n",
  "cpu/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 77\n",
  "cpuacct/cpuacct.stat": "user 12653\nsystem 8205\n",
  "cpuacct/cpuacct.usage": "208598568955\n",
  "cpuacct/cpuacct.usage_percpu": "89116777519 119483946178 \n",
  "pids/pids.current": "7\n",
  "pids/pids.max": "max\n",
  "hugetlb/hugetlb.2MB.usage_in_bytes": "0\n",
  "hugetlb/hugetlb.2MB.failcnt": "18446744073709551615\n",
  "blkio/blkio.throttle.io_service_bytes": blkio,
  "blkio/blkio.io_queued_recursive": blkio,
  "blkio/blkio.time_recursive": "8:0 17\n",
});
const pressure = "some avg10=0.12 avg60=1.00 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
const cgroupV2 = directory({
  "pids.current": "2\n",
  "pids.max": "max\n",
  "cpu.stat": "usage_usec 5123\nuser_usec 4000\nsystem_usec 1123\nnr_periods 0\nnr_bursts 1\n",
  "cpu.pressure": pressure,
  "memory.stat": "anon 4096\nfile 8192\nworkingset_refault_anon 1\nworkingset_refault_file 2\npgfault 99\n",
  "memory.current": "1048576\n",
  "memory.max": "max\n",
  "memory.peak": "99999999999999999999999\n",
  "memory.swap.max": "-1\n",
  "memory.pressure": pressure,
  "memory.events": "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0\n",
  "io.stat": "254:0 rbytes=90112 wbytes=0 rios=5 wios=0 dbytes=0 dios=0\n8:0 rbytes=1\n",
  "io.pressure": pressure,
  "rdma.current": "mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3 hca_object=max\n",
  "rdma.max": "mlx4_0 hca_handle=max hca_object=0x10\n",
  "hugetlb.2MB.current": "0\n",
  "hugetlb.2MB.max": "max\n",
  "hugetlb.2MB.events": "max 0\n",
});
const mountinfo =
  "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
  "30 25 0:26 / /sys/fs/cgroup/cpu\\040x rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
  "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
const procCgroup = "4:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/b\n";
const hugePages = ["2MB", "1GB"];

function mustBeText(value: unknown): void {
  if (typeof value !== "string") throw new Error(`a ${typeof value} where a text was expected`);
}

const anything = (random: Random, type: MessageType<object>): Uint8Array =>
  type.encode(randomMessage(random, type, () => undefined));

const inputsOf = (methods: object): MessageType<object>[] =>
  Object.values(methods as Record<string, { input: MessageType<object> }>).map(({ input }) => input);

/** Of version 3 of the task API they are the same. */
const messages: readonly MessageType<object>[] = [
  ...inputsOf(Task.methods),
  ...inputsOf(Sandbox.methods),
  ...([Options, CheckpointOptions, ProcessDetails, BootstrapParams, Any, Request, Response] as MessageType<object>[]),
];

const messageReader = (type: MessageType<object>): Reader => ({
  name: type.typeName,
  input(random) {
    const whole = anything(random, type);
    return random.chance(0.3) ? whole : mutateBytes(random, whole);
  },
  parse: (bytes) => type.decode(type.encode(type.decode(bytes))),
  throws: [DecodeError],
});

export const shimReaders: readonly Reader[] = [
  {
    name: "cgroup v1 metrics",
    input: nearly([cgroupV1]),
    parse(_bytes, text) {
      const files = filesIn(text);
      MetricsV1.decode(MetricsV1.encode(metricsV1((part, name) => files.get(`${part}/${name}`) ?? null, hugePages)));
    },
  },
  {
    name: "cgroup v2 metrics",
    input: nearly([cgroupV2]),
    parse(_bytes, text) {
      const files = filesIn(text);
      MetricsV2.decode(MetricsV2.encode(metricsV2((name) => files.get(name) ?? null, hugePages)));
    },
  },
  { name: "mountinfo", input: nearly([mountinfo]), parse: (_bytes, text) => mountsBelow(parseMountinfo(text), "/sys") },
  {
    name: "/proc/PID/cgroup",
    input: nearly([procCgroup]),
    parse: (_bytes, text) => locateCgroup(parseProcCgroup(text), parseMountinfo(mountinfo)),
  },
  { name: "a slice", input: nearly(["a-b-c.slice", "/a/b", "x"]), parse: (_bytes, text) => slicePath(text) },
  {
    name: "config.json",
    input: nearlyJson(ociSpec({ args: ["x"], annotations: { "io.containerd.runc.v2.group": "g" } })),
    parse: (_bytes, text) => mustBeText(parseBundleConfig(text).group),
    throws: [SyntaxError, RangeError],
  },
  {
    name: "exit.json",
    input: nearlyJson({ sequence: 1, container: "c", exec: "", pid: 3, status: 7, at: 5 }),
    parse: (_bytes, text) => parseExitRecord(text),
  },
  {
    name: "options.json",
    input: nearlyJson({ binary_name: "runc", root: "/r", systemd_cgroup: true }),
    parse: (_bytes, text) => mustBeText(parseOptions(text).root),
  },
  {
    name: "a runtime's log",
    input: nearlyJson({ level: "error", msg: "no", time: "now" }),
    parse: (_bytes, text) => mustBeText(lastRuntimeError(`${text}\n${text}`)),
  },
  {
    name: "stdin of start",
    input(random) {
      const type = random.pick([BootstrapParams, Any]) as MessageType<object>;
      return random.chance(0.3) ? random.bytes(60) : mutateBytes(random, anything(random, type));
    },
    parse: (bytes) => parseStartInput(bytes, "c", "n"),
  },
  {
    name: "options of a sandbox",
    input: (random) => mutateBytes(random, Any.encode(packAny(...podOptions(random)))),
    parse: (bytes) => parseSandboxConfig(Any.decode(bytes)),
    throws: [DecodeError],
  },
  {
    name: "flags",
    input: nearly(["-namespace n -id=c --address /a -debug start", "-v", "-info", "-bundle b delete"]),
    parse: (_bytes, text) => parseFlags(text.split(" ")),
  },
  {
    name: "stdio",
    input: nearly(["file:///a", "binary:///a?b=c&d", "fifo:///x%20"]),
    parse: (_bytes, text) => parseOutput(text),
  },
  {
    name: "mount options",
    input: nearly(["ro,rbind,rshared,lowerdir=/a/b:/a/c", "lowerdir=a:b/c", "lowerdir=/a:/a/b:/"]),
    parse(_bytes, text) {
      shortOptions(planMount(text.split(",")).data);
    },
  },
  ...messages.map(messageReader),
];
