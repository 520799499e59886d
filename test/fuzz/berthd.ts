// A supervisor under requests that nobody would send, on both of its sockets, and under damaged archives and
// configurations. It must go on, answer, and keep nothing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { BerthError } from "@berth/base";
import { connectGrpc } from "@berth/grpc";
import type { MessageType, Method } from "@berth/proto";
import { Engine } from "@berth/proto/berth/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Diff } from "@berth/proto/containerd/services/diff/v1";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Introspection } from "@berth/proto/containerd/services/introspection/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { Health } from "@berth/proto/grpc/health/v1";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { until } from "../shim/harness.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { mutateBytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { type Hints, hostileStrings, randomMessage } from "./random-message.ts";
import type { Budget, Target } from "./target.ts";

const services = [
  Containers,
  Content,
  Diff,
  Engine,
  Events,
  Health,
  Images,
  Introspection,
  Leases,
  Namespaces,
  Snapshots,
  Tasks,
  Version,
] as const;

const HANG_MS = 20_000;
const engineWords =
  /is not a function|of undefined|of null|not iterable|is not defined|TypeError|ERR_|SQLITE|constraint/;

const ids = ["a", "b", "web", "default", "fuzz"];

/** Names that are used again, so that calls meet what others have made. */
const hints: Hints = (field, random) => {
  if (random.chance(0.3)) return undefined;
  switch (field) {
    case "id":
    case "containerId":
    case "name":
    case "key":
    case "parent":
    case "ref":
      return random.chance(0.7) ? random.pick(ids) : random.pick(hostileStrings);
    case "snapshotter":
      return random.pick(["", "overlayfs", "native", "zfs"]);
    case "digest":
      return random.pick(["", `sha256:${"0".repeat(64)}`, "sha256:x", "md5:1", "../../x"]);
    case "image":
      return random.pick(["docker.io/library/busybox:latest", "UPPER", "a@b", "", "x:y:z"]);
    case "filters":
      return [random.pick(["name==x", "labels.a~=^(a+)+$", "id!=", "==", '"', "name~=[", "x".repeat(5000)])];
    default:
      return undefined;
  }
};

type AnyCall = (input: unknown, options: object) => unknown;

/** Calls by whatever shape the method has; of a stream of answers it takes a few. */
async function invoke(method: Method, call: AnyCall, request: object, namespace: string): Promise<void> {
  const one = async function* () {
    yield request;
    yield request;
  };
  const streamsIn = method.kind === "client-streaming" || method.kind === "bidi-streaming";
  const streamsOut = method.kind === "server-streaming" || method.kind === "bidi-streaming";
  const stop = new AbortController();
  const timeoutMs = streamsOut ? 300 : HANG_MS;
  const answer = call(streamsIn ? one() : request, { namespace, timeoutMs, signal: stop.signal });
  if (!streamsOut) {
    await answer;
    return;
  }
  let seen = 0;
  for await (const _each of answer as AsyncIterable<unknown>) if (++seen >= 3) break;
}

function judge(what: string, streams: boolean, error: unknown): void {
  assert.ok(
    error instanceof BerthError,
    `an error of the wire: ${what}: ${error instanceof Error ? error.stack : error}`,
  );
  const said = `${what}: ${error.kind}: ${error.message}`;
  assert.ok(!engineWords.test(error.message), `an answer that nobody has written: ${said}`);
  assert.notEqual(error.kind, "internal", said);
  if (!streams) assert.notEqual(error.kind, "deadline-exceeded", `it hangs: ${said}`);
}

const descriptorsOf = ({ pid }: Supervisor): number => readdirSync(`/proc/${pid}/fd`).length;

/** Methods that wait by their nature, or end what the rest of the run needs. */
const left = new Set(["Wait", "Watch"]);

export const berthdRequests: Target = {
  name: "berthd-requests",
  inputs: 60,
  async run({ random, more }: Budget) {
    await using daemon = await startBerthd();
    const { pid } = daemon;
    let count = 0;
    const round = async () => {
      const grpc = connectGrpc(daemon.address);
      const socket = connect(daemon.ttrpcAddress);
      const ttrpc = createClient(nodeByteStream(socket));
      try {
        for (let i = 0; i < 10; i++) {
          await Promise.all(
            Array.from({ length: random.int(1, 6) }, () => oneCall(random, random.chance(0.5) ? grpc : ttrpc)),
          );
          count++;
        }
      } finally {
        grpc.close();
        ttrpc.close();
        socket.destroy();
      }
    };
    await round();
    const before = descriptorsOf(daemon);
    while (more(count)) {
      await round();
      process.kill(pid, 0);
      assert.match(await daemon.ctr("version"), /Server:/);
      assert.doesNotMatch(daemon.log().slice(-100_000), /uncaught|unhandled/i);
    }
    await until(() => descriptorsOf(daemon) <= before + 4);
    return count;
  },
};

async function oneCall(random: Random, client: { service(of: never): unknown }): Promise<void> {
  const service = random.pick(services);
  const [name, method] = random.pick(Object.entries(service.methods) as [string, Method][]);
  if (left.has(method.name)) return;
  const request = randomMessage(random, method.input as MessageType<object>, hints);
  const bound = client.service(service as never) as Record<string, AnyCall>;
  const namespace = random.chance(0.9)
    ? random.pick(["fuzz", "other"])
    : random
        .pick(hostileStrings)
        .replace(/[^ -~]/g, "")
        .slice(0, 200);
  const asked = JSON.stringify(request, (_key, value) => (typeof value === "bigint" ? String(value) : value));
  try {
    await invoke(method, (bound[name] as AnyCall).bind(bound), request, namespace);
  } catch (error) {
    judge(
      `${service.typeName}/${method.name} in ${JSON.stringify(namespace)} ${asked.slice(0, 1200)}`,
      method.kind !== "unary",
      error,
    );
  }
}

export const berthdArchives: Target = {
  name: "berthd-archives",
  inputs: 12,
  async run({ random, more }: Budget) {
    await using daemon = await startBerthd();
    const dir = mkdtempSync("/tmp/berth-fuzz-");
    const { pid } = daemon;
    let count = 0;
    try {
      const archives: Uint8Array[] = [];
      for (const format of ["oci", "docker"] as const) {
        await writeBusyboxImage(join(dir, format), { format, name: "docker.io/library/busybox:latest" });
        archives.push(readFileSync(join(dir, format)));
      }
      const before = descriptorsOf(daemon);
      for (; more(count); count++) {
        const whole = random.pick(archives);
        // The documents are in small members; the layer's bytes are most of the archive and have a digest.
        const at = random.chance(0.7)
          ? random.int(0, Math.min(8, whole.length >> 9)) << 9
          : random.int(0, whole.length);
        const middle = mutateBytes(random, whole.subarray(at, at + 1024));
        const bytes = Buffer.concat([whole.subarray(0, at), middle, whole.subarray(at + 1024)]);
        const path = join(dir, "damaged.tar");
        writeFileSync(path, bytes);
        const result = spawnSync(
          join(import.meta.dirname, "../../dist/bin/berth"),
          ["-a", daemon.address, "-n", "fuzz", "image", "import", path],
          { encoding: "utf8", timeout: HANG_MS },
        );
        const what = `archive ${count}: ${result.status} ${result.stderr}`;
        // 125 says that it is the supervisor, or berth itself, that failed.
        assert.ok(result.status === 0 || result.status === 125, what);
        assert.ok(!engineWords.test(result.stderr), `a sentence that nobody has written: ${what}`);
        if (result.status !== 0) assert.match(result.stderr.trim(), /^berth: [^\n]+$/, what);
        process.kill(pid, 0);
      }
      await until(() => descriptorsOf(daemon) <= before + 4);
      return count;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
