// Everything that turns text or bytes into values, fed in this process with what is nearly right.
import assert from "node:assert/strict";
import { BerthError, createTarReader, parseFilters, parsePax, parseReference } from "@berth/base";
import { DecodeError } from "@berth/proto";
import { CreateTaskRequest } from "@berth/proto/containerd/task/v2";
import { Metrics as MetricsV1 } from "@berth/proto/io/containerd/cgroups/v1";
import { Metrics as MetricsV2 } from "@berth/proto/io/containerd/cgroups/v2";
import {
  lastRuntimeError,
  locateCgroup,
  metricsV1,
  metricsV2,
  mountsBelow,
  parseBundleConfig,
  parseExitRecord,
  parseMountinfo,
  parseOptions,
  parseOutput,
  parseProcCgroup,
  parseStartInput,
  planMount,
} from "@berth/shim";
import { compilePattern } from "../../packages/base/src/pattern.ts";
import { dumpConfig } from "../../packages/supervisor/src/config/dump.ts";
import { defaultConfig, loadConfig } from "../../packages/supervisor/src/config/load.ts";
import { findUser } from "../../packages/supervisor/src/spec/find-user.ts";
import { parseGroup, parsePasswd } from "../../packages/supervisor/src/spec/passwd.ts";
import { parseSecurityOptions } from "../../packages/supervisor/src/spec/security-opt.ts";
import { parseSignal } from "../../packages/supervisor/src/spec/signals.ts";
import { ociSpec } from "../support/bundle.ts";
import { makeTar } from "../support/image.ts";
import { mutateBytes, mutateJson } from "./mutate.ts";
import type { Random } from "./random.ts";
import { hostileStrings, randomMessage } from "./random-message.ts";
import type { Budget, Target } from "./target.ts";

/** Longest time for one input of a few kilobytes: more is a way to stop a program that has one thread. */
const SLOW_MS = 1000;

interface Parser {
  readonly name: string;
  input(random: Random): Uint8Array;
  parse(bytes: Uint8Array, text: string): unknown;
  /** What it may throw besides a BerthError. */
  readonly throws?: readonly (new (
    ...args: never[]
  ) => Error)[];
}

const utf8 = new TextEncoder();
const nearly = (samples: readonly string[]) => (random: Random) =>
  mutateBytes(random, utf8.encode(random.pick(samples)));
const nearlyJson = (value: unknown) => (random: Random) => mutateJson(random, value);

const keyed = "usage_usec 12\nuser_usec 7\nanon 4096\nfile 8192\npgfault 3\noom_kill 2\nhigh 0\nmax 1\n";
const blkio = "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n";
const io = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n";
const pressure = "some avg10=0.12 avg60=1.00 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
const numbers = ["max", "-1", "18446744073709551615", "99999999999999999999999", "0x10", "1 2 3", "", "\n"];
const cgroupFile = nearly([keyed, blkio, io, pressure, ...numbers]);
const mountinfo =
  "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
  "30 25 0:26 / /sys/fs/cgroup/cpu\\040x rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
  "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
const procCgroup = "4:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/b\n";
const toml = dumpConfig(defaultConfig());
const passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:\n";

const nearlyFilter = nearly(['labels."a b"==x,name~=^[a-z]+$', "id!=1", 'name~="(a|b)*c{1,3}"', "topic~=/tasks/.*"]);

export const parsers: readonly Parser[] = [
  {
    name: "cgroup v1 metrics",
    input: cgroupFile,
    parse: (_bytes, text) => MetricsV1.decode(MetricsV1.encode(metricsV1(() => text, ["2MB"]))),
  },
  {
    name: "cgroup v2 metrics",
    input: cgroupFile,
    parse: (_bytes, text) => MetricsV2.decode(MetricsV2.encode(metricsV2(() => text, ["2MB"]))),
  },
  { name: "mountinfo", input: nearly([mountinfo]), parse: (_bytes, text) => mountsBelow(parseMountinfo(text), "/sys") },
  {
    name: "/proc/PID/cgroup",
    input: nearly([procCgroup]),
    parse: (_bytes, text) => locateCgroup(parseProcCgroup(text), parseMountinfo(mountinfo)),
  },
  {
    name: "config.json",
    input: nearlyJson(ociSpec({ args: ["x"], annotations: { "io.containerd.runc.v2.group": "g" } })),
    parse: (_bytes, text) => assert.equal(typeof parseBundleConfig(text).group, "string"),
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
    parse: (_bytes, text) => assert.equal(typeof parseOptions(text).root, "string"),
  },
  {
    name: "a runtime's log",
    input: nearlyJson({ level: "error", msg: "no", time: "now" }),
    parse: (_bytes, text) => assert.equal(typeof lastRuntimeError(`${text}\n${text}`), "string"),
  },
  { name: "stdin of start", input: (random) => random.bytes(60), parse: (bytes) => parseStartInput(bytes, "c", "n") },
  {
    name: "stdio",
    input: nearly(["file:///a", "binary:///a?b=c&d", "fifo:///x%20"]),
    parse: (_b, text) => parseOutput(text),
  },
  {
    name: "mount options",
    input: nearly(["ro,rbind,rshared,lowerdir=/a:/b"]),
    parse: (_b, text) => planMount(text.split(",")),
  },
  {
    name: "a message",
    input: (random) => {
      const value = randomMessage(random, CreateTaskRequest as never, () => undefined);
      return mutateBytes(random, CreateTaskRequest.encode(value));
    },
    parse: (bytes) => CreateTaskRequest.encode(CreateTaskRequest.decode(bytes)),
    throws: [DecodeError],
  },
  {
    name: "a filter",
    input: (random) => {
      if (random.chance(0.1)) return utf8.encode(`name~="${random.pick(hostileStrings)}"`);
      return nearlyFilter(random);
    },
    parse: (_bytes, text) => parseFilters([text])(() => "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
  },
  {
    name: "a pattern",
    input: nearly(["^(a+)+$", "[[:alpha:]-z]{2,3}", "(?i:x)|\\d*\\b", "a{1000}"]),
    parse: (_bytes, text) => compilePattern(text)("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
    throws: [SyntaxError, RangeError],
  },
  {
    name: "an image reference",
    input: nearly(["docker.io/library/busybox:latest", `a.b:5000/c_d/e@sha256:${"0".repeat(64)}`]),
    parse: (_bytes, text) => parseReference(text),
  },
  {
    name: "a tar header",
    input: (random) => mutateBytes(random, makeTar([{ path: random.pick(hostileStrings).slice(0, 90), content: "x" }])),
    parse: (bytes) => {
      const reader = createTarReader();
      for (let at = 0; at + 512 <= bytes.length; at += 512) reader.header(bytes.subarray(at, at + 512));
    },
  },
  { name: "pax records", input: nearly(["19 path=some/where\n12 size=3\n"]), parse: (bytes) => parsePax(bytes) },
  {
    name: "the configuration",
    input: nearly([toml, "version = 2\n[grpc]\naddress = 1\n"]),
    parse: (_b, text) => loadConfig(text, "x"),
  },
  { name: "passwd", input: nearly([passwd]), parse: (_bytes, text) => [parsePasswd(text), parseGroup(text)] },
  {
    name: "a user",
    input: nearly(["user", "1000:1000", "root:root", "4294967295", "-1"]),
    parse: (_bytes, text) => findUser(text, "image", () => Promise.resolve(passwd)),
  },
  {
    name: "a security option",
    input: nearly(["seccomp=unconfined", "no-new-privileges:true"]),
    parse: (_b, text) => parseSecurityOptions([text]),
  },
  { name: "a signal", input: nearly(["SIGKILL", "9", "RTMIN+3"]), parse: (_bytes, text) => parseSignal(text) },
];

export async function feed(parser: Parser, bytes: Uint8Array): Promise<void> {
  const started = performance.now();
  const shown = () => `${parser.name}: ${Buffer.from(bytes).toString("base64").slice(0, 600)}`;
  try {
    await parser.parse(bytes, new TextDecoder().decode(bytes));
  } catch (error) {
    const expected = error instanceof BerthError || parser.throws?.some((type) => error instanceof type);
    if (!expected) throw new Error(`an error that nobody has written, of ${shown()}`, { cause: error });
  }
  const took = performance.now() - started;
  assert.ok(took < SLOW_MS, `${Math.round(took)} ms for ${shown()}`);
}

export const parsing: Target = {
  name: "parsers",
  async run({ random, more }: Budget) {
    let count = 0;
    for (; more(); count++) {
      const parser = random.pick(parsers);
      const plain = random.chance(0.05) ? utf8.encode(random.pick(hostileStrings)) : parser.input(random);
      await feed(parser, plain);
    }
    return count;
  },
};
