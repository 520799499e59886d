// How long until every shim is found again, and until the first is: 300 shims (or as many as the first argument
// says) served by another process, `stuck` of which (second argument) accept connections and never answer.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notFound, silent, systemClock } from "@berth/base";
import { startHelper } from "@berth/helper";
import { Task } from "@berth/proto/containerd/task/v2";
import { register, type ServiceImpl } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createServer } from "@berth/ttrpc";
import { openRuntime } from "../src/index.ts";

const [, , count = "300", stuck = "0", serve = ""] = process.argv;

if (serve !== "") await serveShims(serve, Number(count), Number(stuck));
else await measure(Number(count), Number(stuck));

async function serveShims(directory: string, shims: number, silentShims: number): Promise<void> {
  for (let index = 0; index < shims; index++) {
    const rest = Object.fromEntries(Object.keys(Task.methods).map((name) => [name, () => ({})]));
    const impl = {
      ...rest,
      state: () => ({ id: `c${index}`, pid: process.pid, status: 2 }),
      connect: () => ({ shimPid: process.pid, taskPid: process.pid, version: "2" }),
    } as unknown as ServiceImpl<typeof Task>;
    const server = createServer({ log: silent, registrations: [register(Task, impl)] });
    const listener = createSocketServer((socket) => {
      if (index >= silentShims) server.accept(nodeByteStream(socket));
    });
    listener.listen(join(directory, `${index}.sock`));
    await once(listener, "listening");
  }
  process.send?.("ready");
  process.once("disconnect", () => process.exit());
}

async function measure(shims: number, silentShims: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "berth-bench-"));
  const child = fork(import.meta.filename, [count, stuck, directory]);
  try {
    await once(child, "message");
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    for (let index = 0; index < shims; index++) {
      const bundle = join(directory, "state/io.containerd.runtime.v2.task/bench", `c${index}`);
      mkdirSync(join(bundle, "rootfs"), { recursive: true });
      const journal = {
        version: 1,
        bootId,
        launchId: `bench-${index}`,
        shim: "/bin/false",
        phase: "created",
        address: `unix://${directory}/${index}.sock`,
        api: 2,
        shimProcess: { pid: child.pid, startTime: "" },
        init: null,
        exit: null,
      };
      writeFileSync(join(bundle, "berth.json"), JSON.stringify(journal));
    }
    const begin = performance.now();
    const runtime = await openRuntime({
      helper: startHelper(null, {}, silent),
      root: join(directory, "root"),
      state: join(directory, "state"),
      grpcAddress: "/nowhere",
      ttrpcAddress: "/nowhere",
      containers: {
        get: (_scope, id) => {
          throw notFound("container", id);
        },
      },
      log: silent,
      clock: systemClock,
      resolveShim: () => "/bin/false",
      publishBinary: "/bin/false",
      daemonVersion: "0",
    });
    const opened = performance.now();
    const all = runtime.reconnect();
    const last = shims - 1;
    await runtime.settled("bench", `c${silentShims < shims ? silentShims : 0}`);
    const first = performance.now();
    const wellOnes = Array.from({ length: shims - silentShims }, (_, at) => runtime.settled("bench", `c${last - at}`));
    await Promise.all(wellOnes);
    const well = performance.now();
    await all;
    const end = performance.now();
    const found = runtime.tasks.list("bench").length;
    const ms = (to: number) => `${(to - begin).toFixed(1)} ms`;
    console.log(
      `${shims} shims, ${silentShims} stuck: open ${ms(opened)}, first ${ms(first)}, all that answer ${ms(well)}, all ${ms(end)}, found ${found}`,
    );
    await runtime.close();
  } finally {
    child.disconnect();
    await once(child, "exit");
    rmSync(directory, { recursive: true, force: true });
  }
}
